{
  "variables": {
    # 1 builds addon_sanitized beside the addon: AddressSanitizer with leak detection, and UBSan (test/native).
    "sanitize%": 0,
    "sources": ["addon.cc", "tun.cc", "udp.cc", "poll.cc", "netlink.cc", "ring.cc"],
    "flags": ["-std=c++17", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"]
  },
  "target_defaults": {
    "defines": ["NAPI_VERSION=9"],
    "cflags_cc": ["<@(flags)"]
  },
  "targets": [
    { "target_name": "mpip", "sources": ["<@(sources)"], "cflags_cc": ["-O3"] }
  ],
  "conditions": [
    ["sanitize==1", {
      "targets": [
        {
          "target_name": "mpip_sanitized",
          "sources": ["<@(sources)"],
          "cflags_cc": ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
          "ldflags": ["-fsanitize=address,undefined"]
        }
      ]
    }]
  ]
}
