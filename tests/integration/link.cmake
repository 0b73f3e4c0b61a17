# The client's way to a real daemon: over links that break, and through a real sshd. SKYTRAIN_WATCHES=1000 makes
# bad_link_test the long one.
skytrain_test(bad_link_test LABEL rpc TIMEOUT 180
  SOURCES bad_link_test.cc ../support/bad_proxy.cc
  DEPS skytrain::client_api skytrain::test_tls_world)
skytrain_test(ssh_test LABEL rpc TIMEOUT 120
  SOURCES ssh_test.cc ../support/ssh_server.cc
  DEPS skytrain::client_api skytrain::client_exit_code skytrain::test_daemon skytrain::test_support)
add_dependencies(ssh_test skytrain)
