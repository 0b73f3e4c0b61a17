# Daemons, shepherds, workers and disks that fail.
skytrain_test(crash_test LABEL rpc TIMEOUT 600 SOURCES crash_test.cc DEPS skytrain::test_daemon skytrain::server_store)
