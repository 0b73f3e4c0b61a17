"""That check_reasons.py finds what it is there for."""

import unittest

from check_reasons import reasons_in, undocumented


class CheckReasonsTest(unittest.TestCase):

    def test_finds_reasons_however_the_call_is_broken_into_lines(self):
        self.assertEqual(reasons_in('return ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "x");'),
                         {"JOB_NOT_FOUND"})
        self.assertEqual(reasons_in('ErrorWithReason(\n    absl::StatusCode::kInternal,\n    "DATA_IO", message)'),
                         {"DATA_IO"})
        self.assertEqual(reasons_in('BadRequestError("BAD_RANGE", {})'), {"BAD_RANGE"})

    def test_leaves_other_words_alone(self):
        self.assertEqual(reasons_in('getenv("HOME"); Log("SIGTERM"); ReasonOf(s) == "UPLOAD_BUSY"'), set())

    def test_names_what_no_comment_names(self):
        self.assertEqual(undocumented({"NEW_ONE", "JOB_EXISTS", "BAD_CONFIG"}, "// ALREADY_EXISTS (JOB_EXISTS)."),
                         ["NEW_ONE"])
        self.assertEqual(undocumented({"JOB"}, "(JOB_EXISTS)"), ["JOB"])


if __name__ == "__main__":
    unittest.main()
