// SPDX-License-Identifier: MIT
#include "tests/libimg/check/broken.h"

#include <gtest/gtest.h>

namespace img::check {

std::function<void(Copy&)> in(const std::string& file, const Change& change, std::size_t entry) {
  return [=](Copy& copy) {
    copy.edit(file, [&](Json& content) { change(content.at("entries").at(entry)); });
  };
}

std::function<void(Copy&)> all(const std::string& file, const Change& change) {
  return
      [=](Copy& copy) { copy.edit(file, [&](Json& content) { change(content.at("entries")); }); };
}

std::function<void(Copy&)> of(const std::string& type, const std::string& part,
                              const Change& change) {
  return all("files.img", [=](Json& entries) {
    for (Json& entry : entries) {
      if (entry.at("type") == type) {
        change(entry.at(part));
        return;
      }
    }
    FAIL() << "no " << type;
  });
}

std::function<void(Copy&)> removed(const std::string& file) {
  return [=](Copy& copy) { copy.remove(file); };
}

std::function<void(Copy&)> made(const std::string& file, const std::string& magic,
                                const Json& entries) {
  return [=](Copy& copy) { copy.create(file, magic, entries); };
}

Json owner() {
  return {{"uid", 0}, {"euid", 0}, {"signum", 0}, {"pid_type", 0}, {"pid", 0}};
}

Json numbers(std::size_t count) {
  return Json(std::vector<int>(count, 0));
}

std::function<void(Copy&)> added(const std::string& type, const std::string& part, Json body) {
  return all("files.img", [=](Json& entries) {
    Json own = {{"id", 999}};
    own.update(body);
    entries.push_back({{"type", type}, {"id", 999}, {part, own}});
  });
}

}  // namespace img::check
