# Daemons, shepherds, workers and disks that fail.
add_test(NAME disk_full_test
  COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/disk_full_test.py")
set_tests_properties(disk_full_test PROPERTIES
  LABELS rpc TIMEOUT 120 ENVIRONMENT "SKYTRAIN_BIN_DIR=${CMAKE_BINARY_DIR}/bin")
skytrain_test(crash_test LABEL rpc TIMEOUT 600 SOURCES crash_test.cc DEPS skytrain::test_daemon skytrain::server_store)
