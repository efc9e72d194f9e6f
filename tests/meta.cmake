# Tests of the source tree itself.

add_test(NAME layering
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/layering_test.sh ${PROJECT_SOURCE_DIR})

find_program(MANDOC mandoc)
if(MANDOC)
  foreach(path daemon/cli/breakwater.8 daemon/breakwaterd.8
               daemon/enforcer/breakwater-enforcer.8 daemon/breakwater.toml.5
               contrib/courier/breakwater-courierfilter.8
               contrib/tcp/breakwater-tcp.8
               firewall/tarpit/breakwater-tarpit.8)
    cmake_path(GET path FILENAME page)
    add_test(NAME manual.${page}
      COMMAND ${MANDOC} -T lint -W warning ${PROJECT_SOURCE_DIR}/${path})
  endforeach()
else()
  message(STATUS "mandoc is not here: the manuals are not checked")
endif()

find_program(CODESPELL codespell)
if(CODESPELL)
  add_test(NAME spelling
    COMMAND ${CODESPELL} --quiet-level=2 --ignore-words-list=nd,ontext,iif,inforce
      --skip=./build,./.git,./tests/fuzz/corpus
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
else()
  message(STATUS "codespell is not here: the spelling is not checked")
endif()

add_test(NAME demo_programs
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/demo_programs_test.sh)
add_test(NAME install
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/install_test.sh ${PROJECT_BINARY_DIR})
