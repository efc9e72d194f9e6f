# What a program that is started for each connection costs; tcp_start.sh.
add_executable(tcp_start_bench tcp_start_bench.cc)
target_link_libraries(tcp_start_bench PRIVATE breakwater_options)
