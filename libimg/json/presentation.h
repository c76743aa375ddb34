// SPDX-License-Identifier: MIT
// How `crit --pretty` shows one value (the schema's hex, dev, odev, flags, dict, ipaddr and
// quoted_printable attributes), each rule in both directions. It does not know records or files.
#pragma once

#include <optional>
#include <string>

#include "libimg/json/text_out.h"
#include "schema/layout.h"

namespace img::json {

/// A scalar of any type: signed ones sign-extended.
using Bits = std::uint64_t;

/// The scalar at `from` in a FlatBuffer.
[[nodiscard]] Bits load_scalar(const schema::FieldLayout& field, const std::uint8_t* from);
/// Whether a number of this field can be below zero.
[[nodiscard]] bool is_signed(const schema::FieldLayout& field);

/// The value as JSON. `hex`: a table above says that all its integers are hexadecimal.
void put_plain(TextOut& out, const schema::FieldLayout& field, Bits value);
void put_pretty(TextOut& out, const schema::FieldLayout& field, Bits value, bool hex);

/// A value given as text in any form that crit takes: "0x1f", "8:1", "PROT_READ | 0x8", "INET",
/// "12". Nothing if it is none of them or too large for the field.
[[nodiscard]] std::optional<Bits> parse_value(const schema::FieldLayout& field,
                                              std::string_view text);
/// Decimal, or with a prefix 0x, 0o, 0b; a sign may come first.
[[nodiscard]] std::optional<Bits> parse_number(const schema::FieldLayout& field,
                                               std::string_view text);

/// An IPv4 (one word) or IPv6 address (four), its bytes as they lie in memory.
[[nodiscard]] std::string address_text(Bytes address);
/// 4 or 16 bytes; empty if it is no address.
[[nodiscard]] std::string parse_address(std::string_view text);

/// `text` itself, or for people what can be shown of one that is not UTF-8.
[[nodiscard]] std::string shown_text(std::string_view text);

/// Quoted-printable, as Python's binascii.b2a_qp makes it; but where that could not be undone, line
/// ends are encoded too.
[[nodiscard]] std::string quoted_printable(std::string_view bytes);
[[nodiscard]] std::optional<std::string> parse_quoted_printable(std::string_view text);

}  // namespace img::json
