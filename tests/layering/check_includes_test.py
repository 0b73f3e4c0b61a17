#!/usr/bin/env python3
"""A check that cannot fail is worse than none: each rule must catch its violation and let the right thing pass."""

import unittest

from check_includes import folder_of, violations_in


class CheckIncludesTest(unittest.TestCase):

    def assert_refused(self, path, include):
        self.assertEqual(len(violations_in(path, f'#include {include}\n')), 1, (path, include))

    def assert_allowed(self, path, include):
        self.assertEqual(violations_in(path, f'#include {include}\n'), [])

    def test_folder_is_the_longest_that_fits(self):
        self.assertEqual(folder_of("server/auth/grpc/peer.cc"), "server/auth/grpc")
        self.assertEqual(folder_of("server/auth/owner.cc"), "server/auth")
        self.assertEqual(folder_of("common/spool/spool.h"), "common")
        self.assertIsNone(folder_of("absl/status/status.h"))

    def test_arrows_of_the_architecture(self):
        self.assert_allowed("server/rpc/job_service.cc", '"server/jobs/job_manager.h"')
        self.assert_refused("server/jobs/job_manager.cc", '"server/rpc/job_service.h"')
        self.assert_refused("server/training/loop/loop.cc", '"server/events/event_log.h"')
        self.assert_refused("client/main.cc", '"server/data/dataset.h"')
        self.assert_refused("common/ids.cc", '"server/data/dataset.h"')
        self.assert_allowed("server/skytraind.cc", '"server/store/database.h"')

    def test_libraries_stay_where_they_belong(self):
        self.assert_allowed("server/training/models/resnet.cc", "<torch/torch.h>")
        self.assert_refused("server/training/models/resnet.h", "<torch/torch.h>")
        self.assert_refused("server/jobs/job_manager.cc", "<ATen/ATen.h>")
        self.assert_allowed("server/data/parquet/plugin.cc", "<arrow/array.h>")
        self.assert_refused("server/data/parquet/parquet.cc", "<arrow/array.h>")
        self.assert_refused("server/jobs/job_manager.cc", "<grpcpp/grpcpp.h>")
        self.assert_refused("server/worker/main.cc", '"skytrain/v1/job_service.grpc.pb.h"')
        self.assert_refused("server/events/event_log.cc", "<sqlite3.h>")


if __name__ == "__main__":
    unittest.main()
