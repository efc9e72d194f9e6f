# The ban table: what a ban costs the daemon.
add_executable(ban_table_bench ban_table_bench.cc)
target_link_libraries(ban_table_bench
  PRIVATE breakwater_core benchmark::benchmark)
