-- Wireshark dissector for MPIP datagrams; docs/wire.md describes the format.
--
--   wireshark -X lua_script:tools/dissector/mpip.lua        once, or
--   cp tools/dissector/mpip.lua ~/.local/lib/wireshark/plugins/
--
-- It looks at UDP port 7000; the preference "mpip.port" changes that.

local mpip = Proto("mpip", "Multipath IP")

local BLOCK_BYTES = 25
local SEQUENCE_BYTES = 4
local DATA_COMPACT, DATA_FULL = 0, 1
local SEQUENCED, SEALED = 0x10, 0x80

local KINDS = {
  [0] = "Data, compact",
  [1] = "Data, full",
  [2] = "Query",
  [3] = "Confirm",
  [4] = "Probe",
  [5] = "Probe answer",
  [6] = "Heartbeat",
  [7] = "Addresses",
  [8] = "IP change",
  [9] = "Handshake",
  [10] = "NACK",
}

local TYPES = {
  [1] = "Nonce",
  [2] = "Instance",
  [3] = "IPv4 addresses",
  [4] = "IPv6 addresses",
  [5] = "Token",
  [6] = "Received",
  [7] = "Echo",
  [8] = "Observed",
  [9] = "MTU",
  [10] = "Policy",
  [11] = "Name",
  [12] = "Padding",
  [13] = "Refusal",
  [14] = "Version",
  [15] = "NACK ranges",
  [16] = "Closed paths",
  [17] = "Asked instance",
}

local REFUSALS = {
  [1] = "Node ID clash",
  [2] = "Not configured",
  [3] = "Busy",
  [4] = "Version",
}

local f = {
  sequence = ProtoField.uint32("mpip.sequence", "Path sequence number"),
  node = ProtoField.ether("mpip.node", "Source node ID"),
  session = ProtoField.uint32("mpip.session", "Session ID", base.HEX),
  session_higher = ProtoField.bool("mpip.session.higher", "Chosen by the higher node ID", 32, nil, 0x80000000),
  address = ProtoField.ipv4("mpip.address", "Local address"),
  flags = ProtoField.uint8("mpip.flags", "Flags", base.HEX),
  kind = ProtoField.uint8("mpip.kind", "Kind", base.DEC, KINDS, 0x0f),
  sequenced = ProtoField.bool("mpip.flags.sequenced", "Path sequence word", 8, nil, 0x10),
  no_checksum = ProtoField.bool("mpip.flags.no_checksum", "Inner checksum left out", 8, nil, 0x20),
  copy = ProtoField.bool("mpip.flags.copy", "One of several copies", 8, nil, 0x40),
  sealed = ProtoField.bool("mpip.flags.sealed", "Sealed", 8, nil, 0x80),
  path = ProtoField.uint8("mpip.path", "Path ID"),
  feedback_path = ProtoField.uint8("mpip.feedback_path", "Feedback path ID"),
  timestamp = ProtoField.uint32("mpip.timestamp", "Timestamp (µs)"),
  delay = ProtoField.int32("mpip.delay", "Delay of the feedback path (µs)"),
  user = ProtoField.bytes("mpip.user", "User data"),

  field = ProtoField.none("mpip.field", "Field"),
  field_type = ProtoField.uint8("mpip.field.type", "Type", base.DEC, TYPES),
  field_length = ProtoField.uint16("mpip.field.length", "Length"),
  field_value = ProtoField.bytes("mpip.field.value", "Value"),
  nonce = ProtoField.uint64("mpip.nonce", "Nonce", base.HEX),
  instance = ProtoField.uint64("mpip.instance", "Instance", base.HEX),
  asked = ProtoField.uint64("mpip.asked", "Asked instance", base.HEX),
  token = ProtoField.uint64("mpip.token", "Token", base.HEX),
  list_ipv4 = ProtoField.ipv4("mpip.list.ipv4", "IPv4 address"),
  list_ipv6 = ProtoField.ipv6("mpip.list.ipv6", "IPv6 address"),
  list_port = ProtoField.uint16("mpip.list.port", "Port"),
  received_path = ProtoField.uint8("mpip.received.path", "Path ID"),
  received_packets = ProtoField.uint32("mpip.received.packets", "Packets"),
  received_bytes = ProtoField.uint64("mpip.received.bytes", "Bytes"),
  received_lost = ProtoField.uint32("mpip.received.lost", "Lost"),
  received_highest = ProtoField.uint32("mpip.received.highest", "Highest path sequence number"),
  received_carries = ProtoField.uint32("mpip.received.carries", "Carries (bytes per ms)", base.DEC, nil, 0x7fffffff),
  received_grew = ProtoField.bool("mpip.received.grew", "A queue grew", 32, nil, 0x80000000),
  echo_timestamp = ProtoField.uint32("mpip.echo.timestamp", "Timestamp (µs)"),
  echo_held = ProtoField.uint32("mpip.echo.held", "Held (µs)"),
  echo_path = ProtoField.uint8("mpip.echo.path", "Path ID"),
  observed_ipv4 = ProtoField.ipv4("mpip.observed.ipv4", "IPv4 address"),
  observed_ipv6 = ProtoField.ipv6("mpip.observed.ipv6", "IPv6 address"),
  observed_port = ProtoField.uint16("mpip.observed.port", "Port"),
  mtu = ProtoField.uint16("mpip.mtu", "MTU"),
  policy = ProtoField.uint8("mpip.policy", "Policy", base.HEX),
  policy_backup = ProtoField.bool("mpip.policy.backup", "Backup", 8, nil, 0x01),
  policy_metered = ProtoField.bool("mpip.policy.metered", "Metered", 8, nil, 0x02),
  policy_closed = ProtoField.bool("mpip.policy.closed", "Closed", 8, nil, 0x04),
  policy_line = ProtoField.uint8("mpip.policy.line", "Line"),
  policy_rate = ProtoField.uint32("mpip.policy.rate", "Bytes per second that the line may bring"),
  name = ProtoField.string("mpip.name", "Name", base.UNICODE),
  padding = ProtoField.bytes("mpip.padding", "Padding"),
  refusal = ProtoField.uint8("mpip.refusal", "Refusal", base.DEC, REFUSALS),
  version = ProtoField.uint8("mpip.version", "Version"),
  nack_path = ProtoField.uint8("mpip.nack.path", "Path ID"),
  nack_first = ProtoField.uint32("mpip.nack.first", "First path sequence number"),
  nack_count = ProtoField.uint16("mpip.nack.count", "Count"),
  closed = ProtoField.uint8("mpip.closed", "Path ID"),
}
mpip.fields = f

local too_short = ProtoExpert.new("mpip.too_short", "Too short for a control block", expert.group.MALFORMED, expert.severity.ERROR)
local cut = ProtoExpert.new("mpip.cut", "The capture lacks the end of the datagram", expert.group.UNDECODED, expert.severity.WARN)
local malformed = ProtoExpert.new("mpip.malformed", "The body must be rejected as a whole", expert.group.MALFORMED, expert.severity.ERROR)
mpip.experts = { too_short, cut, malformed }

mpip.prefs.port = Pref.uint("UDP port", 7000, "UDP port of MPIP datagrams")

-- Adds a tree for each entry of a list of addresses.
local function add_addresses(tree, value, entry_bytes, field)
  for at = 0, value:len() - entry_bytes, entry_bytes do
    tree:add(field, value(at, entry_bytes - 2))
    tree:add(f.list_port, value(at + entry_bytes - 2, 2))
  end
end

-- By type: the lengths that a value may have, as a function, and what it shows.
local function exactly(bytes)
  return function(length)
    return length == bytes
  end
end

local function multiple(bytes, head)
  return function(length)
    return length >= head and (length - head) % bytes == 0
  end
end

local function one(field, bytes)
  return {
    valid = exactly(bytes),
    show = function(tree, value)
      tree:add(field, value)
    end,
  }
end

local READERS = {
  [1] = one(f.nonce, 8),
  [2] = one(f.instance, 8),
  [3] = {
    valid = multiple(6, 0),
    show = function(tree, value)
      add_addresses(tree, value, 6, f.list_ipv4)
    end,
  },
  [4] = {
    valid = multiple(18, 0),
    show = function(tree, value)
      add_addresses(tree, value, 18, f.list_ipv6)
    end,
  },
  [5] = one(f.token, 8),
  [6] = {
    valid = exactly(25),
    repeatable = true,
    show = function(tree, value)
      tree:add(f.received_path, value(0, 1))
      tree:add(f.received_packets, value(1, 4))
      tree:add(f.received_bytes, value(5, 8))
      tree:add(f.received_lost, value(13, 4))
      tree:add(f.received_highest, value(17, 4))
      tree:add(f.received_carries, value(21, 4))
      tree:add(f.received_grew, value(21, 4))
    end,
  },
  [7] = {
    valid = exactly(9),
    repeatable = true,
    show = function(tree, value)
      tree:add(f.echo_timestamp, value(0, 4))
      tree:add(f.echo_held, value(4, 4))
      tree:add(f.echo_path, value(8, 1))
    end,
  },
  [8] = {
    valid = exactly(18),
    show = function(tree, value)
      local mapped = value(0, 8):uint64() == UInt64(0) and value(8, 4):uint() == 0xffff
      if mapped then
        tree:add(f.observed_ipv4, value(12, 4))
      else
        tree:add(f.observed_ipv6, value(0, 16))
      end
      tree:add(f.observed_port, value(16, 2))
    end,
  },
  [9] = one(f.mtu, 2),
  [10] = {
    valid = function(length)
      return length == 1 or length == 6
    end,
    show = function(tree, value)
      local bits = value(0, 1)
      local policy = tree:add(f.policy, bits)
      policy:add(f.policy_backup, bits)
      policy:add(f.policy_metered, bits)
      policy:add(f.policy_closed, bits)
      if value:len() == 6 then
        tree:add(f.policy_line, value(1, 1))
        tree:add(f.policy_rate, value(2, 4))
      end
    end,
  },
  [11] = {
    valid = function(length)
      return length >= 1 and length <= 63
    end,
    show = function(tree, value)
      tree:add_packet_field(f.name, value, ENC_UTF_8 + ENC_STRING)
    end,
  },
  [12] = {
    valid = function()
      return true
    end,
    repeatable = true,
    show = function(tree, value)
      tree:add(f.padding, value)
    end,
  },
  [13] = one(f.refusal, 1),
  [14] = one(f.version, 1),
  [15] = {
    valid = multiple(6, 1),
    repeatable = true,
    show = function(tree, value)
      tree:add(f.nack_path, value(0, 1))
      for at = 1, value:len() - 6, 6 do
        tree:add(f.nack_first, value(at, 4))
        tree:add(f.nack_count, value(at + 4, 2))
      end
    end,
  },
  [16] = {
    valid = function(length)
      return length >= 1 and length <= 255
    end,
    show = function(tree, value)
      for at = 0, value:len() - 1 do
        tree:add(f.closed, value(at, 1))
      end
    end,
  },
  [17] = one(f.asked, 8),
}

-- False where the body must be rejected: what comes behind that place is not shown.
local function dissect_body(body, tree)
  local seen = {}
  local at = 0
  while at < body:len() do
    local left = body:len() - at
    if left < 3 then
      return false
    end
    local type = body(at, 1):uint()
    local length = body(at + 1, 2):uint()
    if 3 + length > left then
      return false
    end
    local reader = READERS[type]
    local item = tree:add(f.field, body(at, 3 + length))
    item:set_text(string.format("%s (%d bytes)", TYPES[type] or ("Unknown type " .. type), length))
    item:add(f.field_type, body(at, 1))
    item:add(f.field_length, body(at + 1, 2))
    if reader == nil then
      if length > 0 then
        item:add(f.field_value, body(at + 3, length))
      end
    else
      if not reader.valid(length) or (seen[type] and not reader.repeatable) then
        return false
      end
      seen[type] = true
      if length > 0 then
        reader.show(item, body(at + 3, length))
      end
    end
    at = at + 3 + length
  end
  return true
end

local function dissect_block(block, tree)
  tree:add(f.node, block(0, 6))
  local session = tree:add(f.session, block(6, 4))
  session:add(f.session_higher, block(6, 4))
  tree:add(f.address, block(10, 4))
  local flags = tree:add(f.flags, block(14, 1))
  flags:add(f.kind, block(14, 1))
  flags:add(f.sequenced, block(14, 1))
  flags:add(f.no_checksum, block(14, 1))
  flags:add(f.copy, block(14, 1))
  flags:add(f.sealed, block(14, 1))
  tree:add(f.path, block(15, 1))
  tree:add(f.feedback_path, block(16, 1))
  tree:add(f.timestamp, block(17, 4))
  tree:add(f.delay, block(21, 4))
end

function mpip.dissector(tvb, pinfo, root)
  local length = tvb:len()
  pinfo.cols.protocol = "MPIP"
  pinfo.cols.info = "MPIP"
  local tree = root:add(mpip, tvb())
  -- The control block is the end of the datagram: without it nothing can be said.
  if tvb:reported_len() > length then
    tree:add_proto_expert_info(cut)
    return length
  end
  if length < BLOCK_BYTES then
    tree:add_proto_expert_info(too_short)
    return length
  end
  local block = tvb(length - BLOCK_BYTES, BLOCK_BYTES)
  local flags = block(14, 1):uint()
  local kind = bit.band(flags, 0x0f)
  local user_bytes = length - BLOCK_BYTES
  if bit.band(flags, SEQUENCED) ~= 0 then
    user_bytes = user_bytes - SEQUENCE_BYTES
    if user_bytes < 0 then
      tree:add_proto_expert_info(too_short)
      return length
    end
    tree:add(f.sequence, tvb(user_bytes, SEQUENCE_BYTES))
  end
  dissect_block(block, tree)

  local kind_name = KINDS[kind] or ("Kind " .. kind)
  local about = string.format("%s, path %d, session %08x", kind_name, block(15, 1):uint(), block(6, 4):uint())
  tree:append_text(", " .. about)
  pinfo.cols.info = about

  local is_data = kind == DATA_COMPACT or kind == DATA_FULL
  if bit.band(flags, SEALED) ~= 0 or kind == DATA_COMPACT or KINDS[kind] == nil then
    if user_bytes > 0 then
      tree:add(f.user, tvb(0, user_bytes))
    end
  elseif is_data then
    if user_bytes > 0 then
      local version = bit.rshift(tvb(0, 1):uint(), 4)
      Dissector.get(version == 6 and "ipv6" or "ip"):call(tvb(0, user_bytes):tvb(), pinfo, root)
      -- The inner packet has put itself there.
      pinfo.cols.protocol = "MPIP"
      pinfo.cols.info:prepend(about .. ": ")
    end
  elseif user_bytes > 0 and not dissect_body(tvb(0, user_bytes), tree) then
    tree:add_proto_expert_info(malformed)
  end
  return length
end

local udp_ports = DissectorTable.get("udp.port")
local port = mpip.prefs.port
udp_ports:add(port, mpip)

function mpip.prefs_changed()
  if port == mpip.prefs.port then
    return
  end
  udp_ports:remove(port, mpip)
  port = mpip.prefs.port
  udp_ports:add(port, mpip)
end
