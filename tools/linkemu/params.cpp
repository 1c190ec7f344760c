#include "params.h"

#include <charconv>
#include <variant>

namespace linkemu {
namespace {

using Member = std::variant<int64_t Params::*, double Params::*>;

struct Setting {
  std::string_view key;
  Member member;
  std::string_view range;  // as shown to the user
  double min;
  double max;
};

// Ten seconds of delay is more than any link; the lowest rate keeps the time of one frame far from overflow.
constexpr double kMaxDelayUs = 10e6;
constexpr double kMinRateBps = 1e3;
constexpr double kMaxRateBps = 1e11;

const Setting kSettings[] = {
    {"rate_bps", &Params::rate_bps, "0 (unlimited) or 1000..100000000000", 0, kMaxRateBps},
    {"delay_us", &Params::delay_us, "0..10000000", 0, kMaxDelayUs},
    {"jitter_us", &Params::jitter_us, "0..10000000", 0, kMaxDelayUs},
    {"loss", &Params::loss, "0..1", 0, 1},
    {"ge_p", &Params::ge_p, "0..1", 0, 1},
    {"ge_r", &Params::ge_r, "0..1", 0, 1},
    {"ge_loss_good", &Params::ge_loss_good, "0..1", 0, 1},
    {"ge_loss_bad", &Params::ge_loss_bad, "0..1", 0, 1},
    {"reorder", &Params::reorder, "0..1", 0, 1},
    {"reorder_us", &Params::reorder_us, "0..10000000", 0, kMaxDelayUs},
    {"queue_bytes", &Params::queue_bytes, "0 (not used) or 1..268435456", 0, 268435456},
    {"queue_us", &Params::queue_us, "0 (not used) or 1..60000000", 0, 60e6},
    {"blackhole", &Params::blackhole, "0 or 1", 0, 1},
};

template <typename Number>
bool parse(std::string_view text, double min, double max, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  const double number = static_cast<double>(value);
  return number >= min && number <= max;  // false for NaN too
}

template <typename Number>
std::string number_text(Number value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return error == std::errc() ? std::string(text, end) : "0";
}

std::string known_keys() {
  std::string text;
  for (const Setting& setting : kSettings) {
    if (!text.empty()) text += ", ";
    text.append(setting.key).append(" ").append(setting.range);
  }
  return text;
}

const Setting* find_setting(std::string_view key) {
  for (const Setting& setting : kSettings) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

}  // namespace

std::string apply_settings(Params& params, const std::vector<std::string_view>& words) {
  Params changed = params;
  for (const std::string_view word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) return "\"" + std::string(word) + "\" is not key=value";
    const std::string_view key = word.substr(0, equals);
    const std::string_view text = word.substr(equals + 1);
    const Setting* setting = find_setting(key);
    if (setting == nullptr) return "unknown key \"" + std::string(key) + "\"; the keys are: " + known_keys();
    const bool valid = std::visit(
        [&](auto member) { return parse(text, setting->min, setting->max, changed.*member); }, setting->member);
    if (!valid) {
      return std::string(key) + " must be " + std::string(setting->range) + ", not \"" + std::string(text) + "\"";
    }
  }
  if (changed.rate_bps != 0 && static_cast<double>(changed.rate_bps) < kMinRateBps) {
    return "rate_bps must be " + std::string(find_setting("rate_bps")->range);
  }
  // Without a time to be late by, the fraction would silently do nothing.
  if (changed.reorder > 0 && changed.reorder_us == 0) return "reorder above 0 needs reorder_us 1..10000000";
  params = changed;
  return "";
}

std::string to_json(const Params& params) {
  std::string text;
  for (const Setting& setting : kSettings) {
    text += text.empty() ? "{\"" : ",\"";
    text.append(setting.key).append("\":");
    text += std::visit([&](auto member) { return number_text(params.*member); }, setting.member);
  }
  return text + "}";
}

}  // namespace linkemu
