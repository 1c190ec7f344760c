// The control language: what each request line does to the emulator, and its answer line.
#pragma once

#include <string>
#include <string_view>

#include "emulator.h"

namespace linkemu {

// `ok`, `ok {json}` or `error MESSAGE`, without the newline.
std::string execute(Emulator& emulator, std::string_view line);

}  // namespace linkemu
