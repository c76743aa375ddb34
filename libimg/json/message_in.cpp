// SPDX-License-Identifier: MIT
#include "libimg/json/message_in.h"

#include <fmt/core.h>

#include "libimg/criu/decoder.h"
#include "libimg/json/base64.h"

namespace img::json {

using flatbuffers::uoffset_t;
using schema::FieldLayout;
using schema::Show;
using schema::TableLayout;
using schema::Type;

namespace {

constexpr std::string_view kExactPrefix = "_";
constexpr std::string_view kExactSuffix = "_base64";

/// Members mostly come in the order of the fields.
const FieldLayout* find_field(const TableLayout& layout, std::string_view key, std::size_t& next) {
  for (std::size_t i = 0; i < layout.fields.size(); ++i) {
    const std::size_t slot = (next + i) % layout.fields.size();
    if (layout.fields[slot].json_name == key) {
      next = slot + 1;
      return &layout.fields[slot];
    }
  }
  return nullptr;
}

std::string_view exact_name(std::string_view key) {
  if (!key.starts_with(kExactPrefix) || !key.ends_with(kExactSuffix)) {
    return {};
  }
  key.remove_prefix(kExactPrefix.size());
  key.remove_suffix(std::min(kExactSuffix.size(), key.size()));
  return key;
}

std::string_view wanted(const FieldLayout& field) {
  switch (field.show) {
    case Show::dev:
    case Show::odev: return "major:minor or a number that fits";
    case Show::flags: return "names of flags or a number that fits";
    default:
      return field.enumeration != nullptr || field.names != nullptr
                 ? "a name that it can have or a number that fits"
                 : "a whole number that fits";
  }
}

}  // namespace

Result<uoffset_t> MessageIn::object(Parser& parser, const TableLayout& layout,
                                    MemberReader* others) {
  parser_ = &parser;
  exact_.clear();
  depth_ = tables_ = 0;
  return table(layout, others);
}

Result<uoffset_t> MessageIn::table(const TableLayout& layout, MemberReader* others) {
  if (++depth_ > criu::kMaxDepth || ++tables_ > criu::kMaxTables) {
    return parser_->refuse(make_error(Fault::limit, {}, {}, "more objects than a record can have"));
  }
  IMG_TRY(parser_->begin_object());
  Open open{layout, {}, 0, 0, builder_.mark(), exact_.size(), 0};
  std::string_view key;
  IMG_ASSIGN(bool more, parser_->next_key(key));
  while (more) {
    IMG_TRY(member(open, key, others));
    IMG_ASSIGN(more, parser_->next_key(key));
  }
  IMG_TRY(use_exact(open));
  IMG_TRY(within_limits());
  const FieldLayout* missing = nullptr;
  const uoffset_t built = builder_.build(layout, open.values, open.mark, missing);
  if (missing != nullptr) {
    return parser_->refuse(fmt::format("`{}` is required, and not there", missing->json_name));
  }
  --depth_;
  return built;
}

Result<void> MessageIn::member(Open& open, std::string_view key, MemberReader* others) {
  const FieldLayout* field = find_field(open.layout, key, open.next);
  if (field == nullptr) {
    if (others != nullptr) {
      IMG_ASSIGN(const bool taken, others->member(key));
      if (taken) {
        return {};
      }
    }
    std::size_t first = 0;
    field = find_field(open.layout, exact_name(key), first);
    if (field == nullptr || field->type != Type::string) {
      return parser_->refuse(fmt::format("{} has no such member", open.layout.criu_name.empty()
                                                                      ? "this object"
                                                                      : open.layout.criu_name));
    }
    IMG_TRY(once(open.exact_seen, *field));
    return exact(*field);
  }
  IMG_TRY(once(open.seen, *field));
  if (field->repeated) {
    return list(*field);
  }
  IMG_ASSIGN(const std::uint64_t read, value(*field));
  open.values.set(field->slot, read);
  return {};
}

Result<void> MessageIn::once(std::uint64_t& seen, const FieldLayout& field) {
  const std::uint64_t bit = std::uint64_t{1} << field.slot;
  if ((seen & bit) != 0) {
    return parser_->refuse("the same member twice");
  }
  seen |= bit;
  return {};
}

Result<void> MessageIn::list(const FieldLayout& field) {
  IMG_TRY(parser_->begin_array());
  IMG_ASSIGN(bool more, parser_->next_item());
  while (more) {
    if (builder_.mark() >= criu::kMaxElements) {
      return parser_->refuse(
          make_error(Fault::limit, {}, {}, "more values than a record can have"));
    }
    if (field.show == Show::ipaddr) {
      IMG_TRY(address(field));
    } else {
      IMG_ASSIGN(const std::uint64_t read, value(field));
      builder_.add(field.slot, read);
    }
    IMG_ASSIGN(more, parser_->next_item());
  }
  return {};
}

Result<std::uint64_t> MessageIn::value(const FieldLayout& field) {
  if (field.is_scalar()) {
    return scalar(field);
  }
  IMG_TRY(within_limits());
  Result<uoffset_t> made = field.type == Type::table    ? table(*field.table, nullptr)
                           : field.type == Type::string ? string()
                                                        : bytes(field);
  IMG_ASSIGN(const uoffset_t offset, std::move(made));
  return offset;
}

Result<Bits> MessageIn::scalar(const FieldLayout& field) {
  IMG_ASSIGN(const ValueType type, parser_->peek());
  if (type == ValueType::boolean && field.type == Type::boolean) {
    IMG_ASSIGN(const bool set, parser_->boolean());
    return Bits{set};
  }
  std::optional<Bits> bits;
  if (type == ValueType::number) {
    IMG_ASSIGN(const std::string_view number, parser_->number());
    bits = parse_number(field, number);
  } else if (type == ValueType::string && field.type != Type::boolean) {
    IMG_ASSIGN(const std::string_view text, parser_->text(scratch_));
    bits = parse_value(field, text);
  }
  if (!bits) {
    return parser_->refuse(
        fmt::format("expected {}", field.type == Type::boolean ? "true or false" : wanted(field)));
  }
  return *bits;
}

// A word, or the text of a whole address.
Result<void> MessageIn::address(const FieldLayout& field) {
  IMG_ASSIGN(const ValueType type, parser_->peek());
  if (type != ValueType::string) {
    IMG_ASSIGN(const Bits word, scalar(field));
    builder_.add(field.slot, word);
    return {};
  }
  IMG_ASSIGN(const std::string_view text, parser_->text(scratch_));
  const std::string address = parse_address(text);
  if (address.empty()) {
    return parser_->refuse("expected an IPv4 or IPv6 address");
  }
  for (std::size_t at = 0; at < address.size(); at += 4) {
    builder_.add(field.slot, load<std::uint32_t>(address.data() + at));
  }
  return {};
}

Result<uoffset_t> MessageIn::string() {
  IMG_ASSIGN(const std::string_view text, parser_->text(scratch_));
  if (text.size() > criu::kMaxMessageBytes) {
    return parser_->refuse(make_error(Fault::limit, {}, {}, "longer than a record can be"));
  }
  return builder_.buffer().CreateString(text.data(), text.size()).o;
}

Result<uoffset_t> MessageIn::bytes(const FieldLayout& field) {
  IMG_ASSIGN(const std::string_view inside, parser_->string());
  if (inside.size() > 2 * criu::kMaxMessageBytes) {
    return parser_->refuse(make_error(Fault::limit, {}, {}, "longer than a record can be"));
  }
  decoded_.text.clear();
  if (field.show == Show::quoted_printable) {
    std::optional<std::string> plain = parse_quoted_printable(without_escapes(inside, scratch_));
    if (!plain) {
      return parser_->refuse("expected quoted-printable text");
    }
    decoded_.text = *std::move(plain);
  } else if (auto done = decode_base64(inside, decoded_); !done) {
    return parser_->refuse(std::move(done).error());
  }
  const auto* const from = reinterpret_cast<const std::uint8_t*>(decoded_.text.data());
  return builder_.buffer().CreateVector(from, decoded_.text.size()).o;
}

Result<void> MessageIn::exact(const FieldLayout& field) {
  if (!field.repeated) {
    return exact_one(field);
  }
  IMG_TRY(parser_->begin_array());
  IMG_ASSIGN(bool more, parser_->next_item());
  while (more) {
    IMG_TRY(exact_one(field));
    IMG_ASSIGN(more, parser_->next_item());
  }
  return {};
}

Result<void> MessageIn::exact_one(const FieldLayout& field) {
  IMG_TRY(within_limits());
  IMG_ASSIGN(const std::string_view inside, parser_->string());
  decoded_.text.clear();
  if (auto done = decode_base64(inside, decoded_); !done) {
    return parser_->refuse(std::move(done).error());
  }
  exact_.push_back({field.slot, builder_.buffer().CreateString(decoded_.text).o});
  return {};
}

std::string_view MessageIn::text_at(std::uint64_t string) {
  const auto* const at = flatbuffers::GetTemporaryPointer(
      builder_.buffer(), flatbuffers::Offset<flatbuffers::String>(static_cast<uoffset_t>(string)));
  return {at->c_str(), at->size()};
}

// Each exact string takes the place of the text beside it, which must still be what people were
// shown of it: else somebody has edited the one and not the other.
Result<void> MessageIn::use_exact(Open& open) {
  std::size_t at = open.exact_mark;
  while (at < exact_.size()) {
    const FieldLayout& field = open.layout.fields[exact_[at].slot];
    bool same = true;
    const auto use = [&](std::uint64_t& text) {
      same = same && at < exact_.size() && exact_[at].slot == field.slot &&
             shown_text(text_at(exact_[at].string)) == text_at(text);
      if (same) {
        text = exact_[at++].string;
      }
    };
    if (field.repeated) {
      for (auto& value : builder_.repeated(open.mark)) {
        if (value.slot == field.slot && same) {
          use(value.value);
        }
      }
    } else if (open.values.has(field.slot)) {
      use(open.values.value[field.slot]);
    }
    const bool all = at == exact_.size() || exact_[at].slot != field.slot;
    if (!same || !all) {
      return parser_->refuse(
          fmt::format("`{0}` and `_{0}_base64` are not the same text", field.json_name),
          fmt::format("remove `_{}_base64` to use the text", field.json_name));
    }
  }
  exact_.resize(open.exact_mark);
  return {};
}

Result<void> MessageIn::within_limits() {
  if (builder_.buffer().GetSize() > criu::kMaxMessageBytes) {
    return parser_->refuse(make_error(Fault::limit, {}, {}, "larger than a record can be"));
  }
  return {};
}

}  // namespace img::json
