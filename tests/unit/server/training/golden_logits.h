#pragma once

#include <vector>

// Written by make_golden_logits.py from torchvision's models. Do not edit.
struct GoldenLogits {
  int depth;
  int classes;
  std::vector<double> logits;  // [2, classes]
};

inline const std::vector<GoldenLogits> kGoldenLogits = {
    {18, 5, {
         -0.3097163438796997,
         8.856163024902344,
         2.9482626914978027,
         -4.077990531921387,
         -0.9202190041542053,
         0.7859700918197632,
         9.76327896118164,
         3.2649736404418945,
         -2.953397035598755,
         -2.2607202529907227,
     }},
    {50, 3, {
         -236.67396545410156,
         -122.53886413574219,
         -192.75564575195312,
         -244.96206665039062,
         -126.65503692626953,
         -180.19549560546875,
     }},
};
