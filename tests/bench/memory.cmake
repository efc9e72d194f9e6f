# What the memory costs: bin/memory_bench [BANS]
add_executable(memory_bench ${CMAKE_CURRENT_LIST_DIR}/memory_bench.cc)
target_link_libraries(memory_bench PRIVATE breakwater_daemon)
