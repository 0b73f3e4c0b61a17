# Benches of the daemon, run by hand: build/<preset>/bin/{blob,curve,fanout,ingest,queue,submit}_bench.
skytrain_binary(blob_bench SOURCES blob_bench.cc DEPS skytrain::client_api skytrain::test_daemon skytrain::test_support)
skytrain_binary(curve_bench SOURCES curve_bench.cc DEPS skytrain::test_daemon)
skytrain_binary(fanout_bench SOURCES fanout_bench.cc DEPS skytrain::test_daemon)
skytrain_binary(ingest_bench SOURCES ingest_bench.cc DEPS skytrain::test_daemon)
skytrain_binary(queue_bench SOURCES queue_bench.cc DEPS skytrain::test_daemon)
skytrain_binary(submit_bench SOURCES submit_bench.cc DEPS skytrain::test_daemon)
