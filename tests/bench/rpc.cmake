# Benches of the daemon, run by hand: build/<preset>/bin/{ingest,queue,submit}_bench.
skytrain_binary(ingest_bench SOURCES ingest_bench.cc DEPS skytrain::test_daemon)
skytrain_binary(queue_bench SOURCES queue_bench.cc DEPS skytrain::test_daemon)
skytrain_binary(submit_bench SOURCES submit_bench.cc DEPS skytrain::test_daemon)
