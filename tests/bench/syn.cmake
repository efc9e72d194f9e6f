# What a dropped SYN costs, by rule file: sudo bin/syn_bench [ENTRIES]
add_executable(syn_bench ${CMAKE_CURRENT_LIST_DIR}/syn_bench.cc)
target_link_libraries(syn_bench PRIVATE breakwater_words)
target_compile_definitions(syn_bench PRIVATE
  BREAKWATER_PROGRAM="$<TARGET_FILE:breakwater>")
add_dependencies(syn_bench breakwater)
