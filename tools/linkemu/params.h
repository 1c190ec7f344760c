// The settings of one direction of a link, and their text form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linkemu {

struct Params {
  int64_t rate_bps = 0;  // 0 = unlimited
  int64_t delay_us = 0;
  int64_t jitter_us = 0;
  double loss = 0;
  double ge_p = 0;
  double ge_r = 1;
  double ge_loss_good = 0;
  double ge_loss_bad = 1;
  double reorder = 0;
  int64_t reorder_us = 0;
  int64_t queue_bytes = 0;  // 0 = not used
  int64_t queue_us = 0;     // 0 = not used
  int64_t blackhole = 0;
};

// Applies `key=value` words as one whole: either all are valid and `params` changes, or it stays as it was and the
// returned message names the key and the allowed range. Empty = done.
std::string apply_settings(Params& params, const std::vector<std::string_view>& words);

// `{"rate_bps":0,...}` with the same keys.
std::string to_json(const Params& params);

}  // namespace linkemu
