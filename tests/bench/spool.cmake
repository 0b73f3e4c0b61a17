find_package(benchmark REQUIRED)
skytrain_binary(spool_bench SOURCES spool_bench.cc DEPS skytrain::common_spool benchmark::benchmark)
