add_executable(milter_bench milter_bench.cc milter_load.cc
               ../fakes/milter_client.cc)
target_include_directories(milter_bench SYSTEM PRIVATE ${MILTER_INCLUDE})
target_link_libraries(milter_bench PRIVATE breakwater_milter ${MILTER_LIBRARY})
