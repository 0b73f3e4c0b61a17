skytrain_binary(decode_bench SOURCES decode_bench.cc
  DEPS skytrain::server_data skytrain::test_support PkgConfig::TURBOJPEG absl::strings)
target_compile_definitions(decode_bench PRIVATE SKYTRAIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
set_target_properties(decode_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
