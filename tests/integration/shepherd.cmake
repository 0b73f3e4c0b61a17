skytrain_test(shepherd_test LABEL core
  SOURCES shepherd_ends_test.cc shepherd_limits_test.cc shepherd_memory_test.cc shepherd_ownership_test.cc
  DEPS skytrain::common_attempt skytrain::common_process skytrain::server_launch skytrain::server_shepherd skytrain::test_support
  TIMEOUT 60)
add_dependencies(shepherd_test skytrain-shepherd skytrain-fake-worker)
