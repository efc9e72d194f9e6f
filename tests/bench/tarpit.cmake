# What clients cost that the tarpit holds: sudo bin/tarpit_bench PROGRAM
add_executable(tarpit_bench tarpit_bench.cc)
target_link_libraries(tarpit_bench PRIVATE breakwater_options)
add_dependencies(tarpit_bench breakwater-tarpit)
