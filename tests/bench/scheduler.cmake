skytrain_binary(scheduler_bench SOURCES scheduler_bench.cc DEPS skytrain::server_scheduling)
set_target_properties(scheduler_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
