#include "commands.h"

#include <algorithm>
#include <cstdio>
#include <system_error>
#include <vector>

namespace linkemu {
namespace {

using Words = std::vector<std::string_view>;

constexpr size_t kMaxNameBytes = 32;

Words split(std::string_view line) {
  Words words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

void check_name(std::string_view name) {
  const bool valid = !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
  if (!valid) throw UserError("link name must be 1..32 characters of A-Z a-z 0-9 _ - .");
}

// Interface names may hold any byte but a slash or white space.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string field(const char* key, uint64_t value) { return std::string("\"") + key + "\":" + std::to_string(value); }

std::string port_json(const Port& port) {
  const char* state = "gone";
  if (port.state() == Port::State::kUp) state = "up";
  if (port.state() == Port::State::kDown) state = "down";
  return "{\"interface\":" + quoted(port.interface()) + ",\"state\":\"" + state + "\"}";
}

std::string direction_json(const Direction& direction, Port& from) {
  const Counters& counters = direction.counters();
  std::string dropped;
  for (size_t reason = 0; reason < kDropNames.size(); ++reason) {
    if (!dropped.empty()) dropped += ',';
    dropped += field(kDropNames[reason], counters.dropped[reason]);
  }
  return "{" + field("frames_in", counters.frames_in) + "," + field("bytes_in", counters.bytes_in) + "," +
         field("frames_out", counters.frames_out) + "," + field("bytes_out", counters.bytes_out) + "," +
         field("gso_frames", counters.gso_frames) + ",\"dropped\":{" + dropped + "}," +
         field("queue_frames", direction.waiting().frames()) + "," +
         field("queue_bytes", direction.waiting().bytes()) + "," +
         field("queue_max_bytes", direction.waiting_max_bytes()) + "," +
         field("in_flight_frames", direction.in_flight_frames()) + "," +
         field("socket_overrun_frames", from.overrun_frames()) + "," +
         field("socket_refused_frames", from.refused_frames) + ",\"parameters\":" + to_json(direction.params()) + "}";
}

std::string link_json(Emulator& emulator, Link& link) {
  const int64_t now_ns = emulator.catch_up(link);
  return "{" + field("now_ns", static_cast<uint64_t>(now_ns)) + ",\"a\":" + port_json(link.a) +
         ",\"b\":" + port_json(link.b) + ",\"ab\":" + direction_json(link.ab, link.a) +
         ",\"ba\":" + direction_json(link.ba, link.b) + "}";
}

std::string add(Emulator& emulator, const Words& words) {
  if (words.size() != 4) throw UserError("usage: add NAME IFA IFB");
  check_name(words[1]);
  emulator.add_link(std::string(words[1]), std::string(words[2]), std::string(words[3]));
  return "ok";
}

std::string remove(Emulator& emulator, const Words& words) {
  if (words.size() != 2) throw UserError("usage: remove NAME");
  emulator.remove_link(words[1]);
  return "ok";
}

std::string set(Emulator& emulator, const Words& words) {
  const bool usable = words.size() >= 4 && (words[2] == "ab" || words[2] == "ba" || words[2] == "both");
  if (!usable) throw UserError("usage: set NAME ab|ba|both KEY=VALUE ...");
  Link& link = emulator.find_link(words[1]);
  std::vector<std::pair<Direction*, Params>> changes;
  if (words[2] != "ba") changes.emplace_back(&link.ab, link.ab.params());
  if (words[2] != "ab") changes.emplace_back(&link.ba, link.ba.params());
  for (auto& [direction, params] : changes) {
    const std::string problem = apply_settings(params, {words.begin() + 3, words.end()});
    if (!problem.empty()) throw UserError(problem);
  }
  const int64_t now_ns = emulator.catch_up(link);
  for (auto& [direction, params] : changes) direction->set_params(params, now_ns);
  return "ok";
}

std::string carrier(Emulator& emulator, const Words& words) {
  const bool usable = words.size() == 4 && (words[2] == "a" || words[2] == "b" || words[2] == "both") &&
                      (words[3] == "up" || words[3] == "down");
  if (!usable) throw UserError("usage: carrier NAME a|b|both up|down");
  Link& link = emulator.find_link(words[1]);
  emulator.catch_up(link);
  if (words[2] != "b") link.a.set_up(words[3] == "up");
  if (words[2] != "a") link.b.set_up(words[3] == "up");
  return "ok";
}

std::string stats(Emulator& emulator, const Words& words) {
  if (words.size() > 2) throw UserError("usage: stats [NAME]");
  if (words.size() == 2) return "ok " + link_json(emulator, emulator.find_link(words[1]));
  std::string text;
  for (const auto& link : emulator.links()) {
    if (!text.empty()) text += ',';
    text += quoted(link->name) + ":" + link_json(emulator, *link);
  }
  return "ok {" + text + "}";
}

}  // namespace

std::string execute(Emulator& emulator, std::string_view line) {
  const Words words = split(line);
  try {
    if (words.empty()) throw UserError("empty line; commands: add, set, carrier, stats, remove");
    if (words[0] == "add") return add(emulator, words);
    if (words[0] == "set") return set(emulator, words);
    if (words[0] == "carrier") return carrier(emulator, words);
    if (words[0] == "stats") return stats(emulator, words);
    if (words[0] == "remove") return remove(emulator, words);
    throw UserError("unknown command \"" + std::string(words[0]) + "\"; commands: add, set, carrier, stats, remove");
  } catch (const UserError& problem) {
    return std::string("error ") + problem.what();
  } catch (const std::system_error& problem) {
    return std::string("error ") + problem.what();
  }
}

}  // namespace linkemu
