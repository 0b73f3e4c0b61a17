# How every folder of skytrain declares its one target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

add_library(skytrain_options INTERFACE)
target_compile_options(skytrain_options INTERFACE -Wall -Wextra -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports std::string's own operator+ (GCC bug 105651).
  target_compile_options(skytrain_options INTERFACE -Wno-restrict)
endif()
target_include_directories(skytrain_options INTERFACE "${CMAKE_SOURCE_DIR}")

# skytrain_library(common_spool SOURCES a.cc DEPS skytrain::common_file absl::status)
# makes the static library skytrain_common_spool with the alias skytrain::common_spool. DEPS are public.
function(skytrain_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(skytrain_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(skytrain_${name} PUBLIC skytrain_options ${ARG_DEPS})
  else()
    add_library(skytrain_${name} INTERFACE)
    target_link_libraries(skytrain_${name} INTERFACE skytrain_options ${ARG_DEPS})
  endif()
  add_library(skytrain::${name} ALIAS skytrain_${name})
endfunction()

# skytrain_binary(skytraind SOURCES skytraind.cc DEPS …): an executable in build/<preset>/bin.
function(skytrain_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE skytrain_options ${ARG_DEPS})
endfunction()

# What `ctest -L core` runs, and no more.
add_custom_target(skytrain_core_tests)

# skytrain_test(common_spool_test LABEL core SOURCES … DEPS … [TIMEOUT seconds]): a GoogleTest program; each of its
# tests is one ctest test with that label.
function(skytrain_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE skytrain_options ${ARG_DEPS} GTest::gmock_main)
  if(ARG_LABEL STREQUAL "core")
    add_dependencies(skytrain_core_tests ${name})
  endif()
  target_compile_definitions(${name} PRIVATE
    SKYTRAIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SKYTRAIN_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_PREFIX "${name}."
    PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT} SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()
