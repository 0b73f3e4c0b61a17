// Only in the static client: leaves out gRPC's xDS (service meshes), a fifth of the program that
// nothing here can reach. gRPC registers xDS in this one function; ours comes before that of its
// archive, so the linker takes none of what only xDS needs. The signature is that of gRPC's
// src/core/plugin_registry/grpc_plugin_registry_extra.cc; were it to change, the client
// would be larger again, which tests/golden notices.

namespace grpc_core {

class CoreConfiguration {
 public:
  class Builder;
};

void RegisterExtraFilters(CoreConfiguration::Builder*) {}

}  // namespace grpc_core
