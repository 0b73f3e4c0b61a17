#pragma once

namespace skytrain {

// `skytrain-worker --import DIR --weights FILE [--run-as USER]`: makes a model of weights from
// elsewhere, for the daemon, which has no LibTorch and parses no file of others. DIR/request.binpb
// is a v1.ImportModelRequest; DIR/model becomes the folder of the model (see WriteModelFolder), and
// DIR/answer.binpb is the v1.Model that ImportModel answers (exit 0), or what is wrong, as
// StatusToBytes (exit 1). Exit 2: wrong
// usage, or no answer could be written. USER: whom to become before any file is opened, as
// ParseRunAs takes it.
int RunImport(int argc, char** argv);

}  // namespace skytrain
