# The policy server beside an empty server of the same shape.
add_executable(policy_bench policy_bench.cc)
target_link_libraries(policy_bench PRIVATE breakwater_policy)
