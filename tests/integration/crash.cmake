# Daemons, shepherds, workers and disks that fail.
add_test(NAME disk_full_test
  COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/disk_full_test.py")
set_tests_properties(disk_full_test PROPERTIES
  LABELS rpc TIMEOUT 120 ENVIRONMENT "SKYTRAIN_BIN_DIR=${CMAKE_BINARY_DIR}/bin")
skytrain_test(crash_test LABEL rpc TIMEOUT 600 SOURCES crash_test.cc DEPS skytrain::test_daemon skytrain::server_store)
# In one process, with scripted attempts: the disk is recorded at FileSystem and at SQLite's VFS.
skytrain_test(power_loss_test LABEL core TIMEOUT 120
  SOURCES power_loss_test.cc power_loss_daemon.cc power_loss_fixture.cc
  DEPS skytrain::server_auth skytrain::server_blobs skytrain::server_models skytrain::server_retention skytrain::test_disk
    skytrain::test_job_world absl::hash)
