# The DNS lists: what a client costs in the cache, a hit, a question.
add_executable(dnsbl_bench dnsbl_bench.cc)
target_link_libraries(dnsbl_bench
  PRIVATE breakwater_core breakwater_fake_dns benchmark::benchmark)
target_compile_options(dnsbl_bench PRIVATE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
# What the engine itself adds, at the percentiles.
add_executable(dnsbl_latency dnsbl_latency.cc)
target_link_libraries(dnsbl_latency PRIVATE breakwater_core)
