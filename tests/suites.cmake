# One GoogleTest binary a layer, and what ctest runs of it.

# xmmu_test_library(<name> SOURCES <file>... [DEPS <target>...])
#
# What several binaries share, or is to be compiled like the library.
function(xmmu_test_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_DEPS})
  target_include_directories(${name} PRIVATE
    ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  xmmu_configure_target(${name})
endfunction()

# xmmu_layer_test(<layer> SOURCES <file>... [DEPS <target>...])
#
# The binary <layer>_test. Tests may include private headers of lib/ and shared
# helpers of tests/; XMMU_SOURCE_DIR names the top of the source tree, where
# ctest runs them. Nothing of the binary is run before xmmu_suite() and
# xmmu_rest() say how.
# Each test file has a namespace of its own, named after it, since several are
# compiled as one. They are compiled with -O1 in an optimised build: that takes half the
# time of -O3, and what takes long when it runs is in the library.
function(xmmu_layer_test layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  set(binary ${layer}_test)
  xmmu_program(${binary} SOURCES ${arg_SOURCES}
               DEPS ${arg_DEPS} GTest::gmock_main Boost::headers)
  target_include_directories(${binary} PRIVATE
    ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${binary} PRIVATE
    XMMU_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${binary} PRIVATE $<$<CONFIG:Release>:-O1>)
  set_target_properties(${binary} PROPERTIES
    UNITY_BUILD ${XMMU_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  target_precompile_headers(${binary} REUSE_FROM xmmu_test_headers)
endfunction()

# xmmu_suite(<layer> <suite> FILTER <pattern>... [SHARDS <n>] [LONG]
#            [LABELS <label>...])
#
# Has ctest run those tests of <layer>_test that match a pattern of GoogleTest,
# as <layer>_<suite>; with SHARDS as <layer>_<suite>.0 and up, side by side.
# Of a LONG suite all shards but the first are labelled "long": tests/run.sh
# leaves them out, tests/run.sh --all does not. Tests are dealt to the shards in
# turns, so the first has every n-th; n should divide no number of strategies,
# modes or vCPUs that the tests go through, so that each of them comes up.
#
# The sanitizer run of tests/run.sh --all executes what is labelled "core".
# Suites also labelled "rows" do the same with each strategy, paging mode and
# number of vCPUs: of these it executes every fifth test; five divides none of
# those numbers, so that all come up.
function(xmmu_suite layer suite)
  cmake_parse_arguments(PARSE_ARGV 2 arg "LONG" "SHARDS" "FILTER;LABELS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_FILTER)
    message(FATAL_ERROR "xmmu_suite(${layer} ${suite}): want FILTER <pattern>")
  endif()
  set_property(DIRECTORY APPEND PROPERTY XMMU_SUITES_OF_${layer} ${arg_FILTER})
  list(JOIN arg_FILTER ":" filter)
  xmmu_add_suite(${layer} ${suite} "${filter}" "${arg_SHARDS}" ${arg_LONG}
                 "${arg_LABELS}")
endfunction()

# xmmu_rest(<layer> [LABELS <label>...])
#
# Has ctest run, as <layer>_rest, the tests of <layer>_test that no xmmu_suite()
# before it has taken.
function(xmmu_rest layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LABELS")
  get_property(taken DIRECTORY PROPERTY XMMU_SUITES_OF_${layer})
  list(JOIN taken ":" filter)
  xmmu_add_suite(${layer} rest "*-${filter}" "" FALSE "${arg_LABELS}")
endfunction()

# The ctest entries of one suite.
function(xmmu_add_suite layer suite filter shards long labels)
  if(NOT shards)
    set(shards 1)
  endif()
  set(parts ${shards})
  if(XMMU_SANITIZE AND "rows" IN_LIST labels)
    set(shards 1)
    set(parts 5)
  endif()
  math(EXPR last "${shards} - 1")
  foreach(shard RANGE ${last})
    set(name ${layer}_${suite})
    if(shards GREATER 1)
      string(APPEND name ".${shard}")
    endif()
    set(labels_of_shard ${labels})
    if(long AND shard GREATER 0)
      list(APPEND labels_of_shard long)
    endif()
    add_test(NAME ${name}
             COMMAND ${layer}_test --gtest_brief=1 --gtest_filter=${filter}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    # That nothing matches is a mistake in the pattern.
    set_tests_properties(${name} PROPERTIES
      TIMEOUT 1800 LABELS "${labels_of_shard}"
      ENVIRONMENT
      "GTEST_TOTAL_SHARDS=${parts};GTEST_SHARD_INDEX=${shard}"
      FAIL_REGULAR_EXPRESSION "==. 0 tests from")
  endforeach()
  if("core" IN_LIST labels)
    add_dependencies(xmmu_core_tests ${layer}_test)
  endif()
endfunction()
