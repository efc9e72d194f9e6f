# Tests of the source tree itself.

add_test(NAME layering
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/layering_test.sh ${PROJECT_SOURCE_DIR})

find_program(MANDOC mandoc)
if(MANDOC)
  foreach(page breakwater.8 breakwaterd.8 breakwater-enforcer.8
               breakwater.toml.5)
    add_test(NAME manual.${page}
      COMMAND ${MANDOC} -T lint -W warning ${PROJECT_SOURCE_DIR}/daemon/${page})
  endforeach()
else()
  message(STATUS "mandoc is not here: the manuals are not checked")
endif()

find_program(CODESPELL codespell)
if(CODESPELL)
  add_test(NAME spelling
    COMMAND ${CODESPELL} --quiet-level=2 --ignore-words-list=nd,ontext
      --skip=./build,./.git,./tests/fuzz/corpus
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
else()
  message(STATUS "codespell is not here: the spelling is not checked")
endif()

add_test(NAME install
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/install_test.sh ${PROJECT_BINARY_DIR})
