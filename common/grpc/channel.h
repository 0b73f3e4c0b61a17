#pragma once

#include "grpcpp/support/channel_arguments.h"

namespace skytrain {

// The largest message either side takes; file contents and event batches are cut far below it.
constexpr int kMaxMessageBytes = 4 << 20;

// What every channel to a daemon uses. No proxy: gRPC obeys `http_proxy` but not most forms of
// `no_proxy`, and our daemons are never behind one. Keepalive after 30 s, also without a call, so
// that a dead link is noticed in 40 s. Reconnects after 100 ms to 5 s; a connect that takes longer
// than 5 s has failed. Unary calls that may be repeated are, up to three times within about 1.5 s,
// when the server answers UNAVAILABLE or cannot be reached; streams are taken up by who reads them,
// since only that one knows how far it got.
grpc::ChannelArguments ClientChannelArguments();

}  // namespace skytrain
