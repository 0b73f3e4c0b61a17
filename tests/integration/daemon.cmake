# A real daemon, real shepherd and the fake worker.
skytrain_library(test_daemon
  SOURCES daemon.cc raw_call.cc
  DEPS skytrain::common_grpc skytrain::common_process skytrain::proto_grpc)
target_compile_definitions(skytrain_test_daemon PRIVATE
  SKYTRAIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SKYTRAIN_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
add_dependencies(skytrain_test_daemon skytraind skytrain-shepherd skytrain-probe skytrain-fake-worker)
skytrain_test(daemon_test LABEL rpc TIMEOUT 120 SOURCES daemon_test.cc DEPS skytrain::test_daemon skytrain::common_digest)
skytrain_test(life_cycle_test LABEL rpc TIMEOUT 120 SOURCES life_cycle_test.cc hygiene_test.cc
  DEPS skytrain::test_daemon skytrain::server_store SQLite::SQLite3)
skytrain_library(test_tls_world
  SOURCES tls_world.cc
  DEPS skytrain::test_daemon skytrain::test_support skytrain::test_certificates)
target_compile_definitions(skytrain_test_tls_world PRIVATE SKYTRAIN_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
skytrain_test(tls_test LABEL rpc TIMEOUT 120 SOURCES tls_test.cc DEPS skytrain::test_tls_world nlohmann_json::nlohmann_json)
skytrain_test(metrics_test LABEL rpc TIMEOUT 120 SOURCES metrics_test.cc DEPS skytrain::test_daemon nlohmann_json::nlohmann_json)
skytrain_test(submission_test LABEL rpc TIMEOUT 120 SOURCES submission_test.cc DEPS skytrain::test_daemon)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
foreach(name check_config datasets hooks job_commands systemd upload)
  add_test(NAME ${name}_test
    COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/${name}_test.py")
  set_tests_properties(${name}_test PROPERTIES
    LABELS rpc TIMEOUT 120 ENVIRONMENT "SKYTRAIN_BIN_DIR=${CMAKE_BINARY_DIR}/bin")
endforeach()
skytrain_test(blob_test LABEL rpc TIMEOUT 120 SOURCES blob_test.cc
  DEPS skytrain::test_tls_world skytrain::client_api skytrain::common_digest)
skytrain_test(log_flood_test LABEL rpc TIMEOUT 120 SOURCES log_flood_test.cc DEPS skytrain::test_daemon)
skytrain_test(queue_test LABEL rpc TIMEOUT 120 SOURCES queue_test.cc DEPS skytrain::test_daemon)
target_compile_definitions(queue_test PRIVATE SKYTRAIN_FAKE_NVML_DIR="$<TARGET_FILE_DIR:skytrain_fake_nvml>")
add_dependencies(queue_test skytrain_fake_nvml)
skytrain_test(damage_test LABEL rpc TIMEOUT 120 SOURCES damage_test.cc DEPS skytrain::test_daemon skytrain::test_support)
skytrain_test(gc_test LABEL rpc TIMEOUT 60 SOURCES gc_test.cc DEPS skytrain::test_tls_world)
skytrain_test(registry_test LABEL rpc TIMEOUT 120 SOURCES registry_test.cc DEPS skytrain::test_tls_world)
target_compile_definitions(registry_test PRIVATE SKYTRAIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
skytrain_test(curve_test LABEL rpc TIMEOUT 120 SOURCES curve_test.cc DEPS skytrain::test_daemon)
skytrain_test(dead_peer_test LABEL rpc TIMEOUT 200 SOURCES dead_peer_test.cc DEPS skytrain::client_api skytrain::test_daemon)
target_compile_definitions(dead_peer_test PRIVATE SKYTRAIN_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
add_dependencies(dead_peer_test skytrain)
skytrain_library(test_site_world SOURCES site_world.cc
  DEPS skytrain::test_daemon skytrain::common_attempt skytrain::server_accounts GTest::gtest)
target_compile_definitions(skytrain_test_site_world PRIVATE
  SKYTRAIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SKYTRAIN_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
skytrain_test(site_mode_test LABEL rpc TIMEOUT 120 SOURCES site_mode_test.cc site_attack_test.cc
  DEPS skytrain::test_site_world skytrain::common_digest)
