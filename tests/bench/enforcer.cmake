# What a ban costs: sudo bin/enforcer_bench
add_executable(enforcer_bench ${CMAKE_CURRENT_LIST_DIR}/enforcer_bench.cc)
target_link_libraries(enforcer_bench
  PRIVATE breakwater_daemon_enforcer PkgConfig::libipset)
