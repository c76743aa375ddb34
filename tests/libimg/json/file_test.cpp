// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/core_generated.h"
#include "schema/ipc_generated.h"
#include "schema/mm_generated.h"
#include "schema/sockets_generated.h"
#include "tests/libimg/json/text_records.h"

namespace img::json {
namespace {

using schema::Kind;
using ::testing::HasSubstr;
using testing::Kept;
using testing::read_text;
using testing::write_text;

constexpr WriteOptions kPlain{.pretty = false};

std::string file(std::string_view magic, std::string_view entries) {
  return "{\"magic\": \"" + std::string(magic) + "\", \"entries\": [" + std::string(entries) + "]}";
}

std::string error_of(Kind kind, std::string_view text) {
  const auto read = read_text(kind, text);
  return read ? "no error" : read.error().line();
}

/// What is read from a text and written again is that text.
void expect_same(Kind kind, const std::string& text, WriteOptions options = kPlain) {
  const auto read = read_text(kind, text);
  ASSERT_TRUE(read) << read.error().line();
  const auto written = write_text(kind, *read, options);
  ASSERT_TRUE(written) << written.error().line();
  EXPECT_EQ(*written, text);
}

constexpr std::string_view kIds = "\"vm_id\": 1, \"files_id\": 2, \"fs_id\": 3, \"sighand_id\": 4";

TEST(File, PayloadsOfEveryRule) {
  const std::string desc =
      "\"desc\": {\"key\": 1, \"uid\": 0, \"gid\": 0, \"cuid\": 0, \"cgid\": 0, \"mode\": 384, "
      "\"id\": 0}";
  expect_same(Kind::pipes_data, file("PIPES_DATA",
                                     "{\"pipe_id\": 1, \"bytes\": 3, \"extra\": \"Zm9v\\n\"}, "
                                     "{\"pipe_id\": 2, \"bytes\": 0, \"extra\": \"\"}"));
  expect_same(Kind::sk_queues,
              file("SK_QUEUES", "{\"id_for\": 1, \"length\": 1, \"extra\": \"Zg==\\n\"}"));
  expect_same(Kind::bpfmap_data, file("BPFMAP_DATA",
                                      "{\"map_id\": 1, \"keys_bytes\": 1, "
                                      "\"values_bytes\": 2, \"count\": 1, "
                                      "\"extra\": \"Zm9v\\n\"}"));
  expect_same(Kind::ipcns_sem,
              file("IPCNS_SEM", "{" + desc + ", \"nsems\": 3, \"extra\": [1, 0, 65535]}"));
  expect_same(Kind::ipcns_sem, file("IPCNS_SEM", "{" + desc + ", \"nsems\": 0, \"extra\": []}"));
  expect_same(Kind::ipcns_msg, file("IPCNS_MSG", "{" + desc +
                                                     ", \"qbytes\": 16384, \"qnum\": 2, \"extra\": "
                                                     "[{\"mtype\": 1, \"msize\": 3}, \"Zm9v\\n\", "
                                                     "{\"mtype\": 2, \"msize\": 0}, \"\"]}"));
  expect_same(Kind::ipcns_shm,
              file("IPCNS_SHM", "{" + desc + ", \"size\": 4096, \"in_pagemaps\": true}, {" + desc +
                                    ", \"size\": 3, \"extra\": \"Zm9v\\n\"}"));
  expect_same(Kind::tcp_stream,
              file("TCP_STREAM",
                   "{\"inq_len\": 3, \"inq_seq\": 0, \"outq_len\": 1, \"outq_seq\": "
                   "0, \"opt_mask\": 0, \"snd_wscale\": 0, \"mss_clamp\": 0, "
                   "\"extra\": {\"inq\": \"Zm9v\\n\", \"outq\": \"Zg==\\n\"}}"));
}

TEST(File, PaddingIsAddedAndOddPaddingKept) {
  const std::string entry =
      "{\"desc\": {\"key\": 1, \"uid\": 0, \"gid\": 0, \"cuid\": 0, \"cgid\": 0, \"mode\": 384, "
      "\"id\": 0}, \"nsems\": 1, ";
  const auto read = read_text(Kind::ipcns_sem, file("IPCNS_SEM", entry + "\"extra\": [258]}"));
  ASSERT_TRUE(read) << read.error().line();
  EXPECT_EQ(read->front().payload, std::string("\2\1\0\0\0\0\0\0", 8));
  expect_same(Kind::ipcns_sem, file("IPCNS_SEM", entry + "\"_extra\": \"AgEAAAAAAAE=\\n\"}"));
}

TEST(File, GhostsWholeAndInChunks) {
  const std::string head = "\"uid\": 0, \"gid\": 0, \"mode\": 33188";
  expect_same(Kind::ghost_file, file("GHOST_FILE", "{" + head + ", \"extra\": \"Zm9v\\n\"}"));
  expect_same(Kind::ghost_file,
              file("GHOST_FILE", "{" + head +
                                     ", \"chunks\": true, \"size\": 8192}, "
                                     "{\"len\": 3, \"off\": 4096, \"extra\": \"Zm9v\\n\"}"));
  EXPECT_THAT(
      error_of(Kind::ghost_file, file("GHOST_FILE", "{" + head + "}, {\"len\": 0, \"off\": 0}")),
      HasSubstr("does not say `chunks`"));
}

TEST(File, ContentLargerThanMemoryIsSpooled) {
  const std::string head =
      "{\"magic\": \"GHOST_FILE\", \"entries\": [{\"uid\": 0, \"gid\": 0, \"mode\": 33188, "
      "\"extra\": \"";
  std::string base64;
  for (std::size_t i = 0; i < 3 * Spool::kInMemory / 57; ++i) {
    base64 += std::string(76, static_cast<char>('A' + i % 26)) + "\\n";
  }
  expect_same(Kind::ghost_file, head + base64 + "\"}]}");
}

TEST(File, SizesInPlaceOfPayloads) {
  const auto shown = [](std::uint32_t bytes) {
    const auto read =
        read_text(Kind::pipes_data,
                  file("PIPES_DATA", "{\"pipe_id\": 1, \"bytes\": " + std::to_string(bytes) +
                                         ", \"_extra\": \"\"}"));
    return *write_text(Kind::pipes_data, *read, {.pretty = false, .payload = false});
  };
  EXPECT_THAT(shown(12), HasSubstr("\"extra\": \"... <12B>\""));
  EXPECT_THAT(shown(4096), HasSubstr("\"extra\": \"... <4KB>\""));
  EXPECT_THAT(shown(1536), HasSubstr("\"extra\": \"... <1.5KB>\""));
  EXPECT_THAT(shown(3U << 20), HasSubstr("\"extra\": \"... <3MB>\""));
  EXPECT_THAT(error_of(Kind::pipes_data, shown(12)), HasSubstr("--nopl"));
}

TEST(File, PrettyAsPythonSetsIt) {
  expect_same(Kind::seccomp,
              "{\n    \"magic\": \"SECCOMP\",\n    \"entries\": [\n        {\n"
              "            \"seccomp_filters\": [\n                {\n"
              "                    \"filter\": \"\",\n                    \"prev\": 3\n"
              "                }\n            ]\n        }\n    ]\n}",
              {});
  expect_same(Kind::apparmor,
              "{\n    \"magic\": \"APPARMOR\",\n    \"entries\": [\n        {}\n    ]\n}", {});
}

TEST(File, PlainTextIsReadAsPretty) {
  const std::string vma =
      "{\"start\": \"0x1000\", \"end\": 8192, \"pgoff\": \"0o20\", \"shmid\": 0, "
      "\"prot\": \"PROT_READ | 0x8\", \"flags\": 34, \"status\": \"0b1\", \"fd\": \"-1\"}";
  const auto read = read_text(Kind::vmas, file("VMAS", vma));
  ASSERT_TRUE(read) << read.error().line();
  const auto kept = read->front().record();
  const auto* const entry = kept.as<schema::VmaEntry>();
  EXPECT_EQ(entry->start(), 0x1000U);
  EXPECT_EQ(entry->end(), 0x2000U);
  EXPECT_EQ(entry->pgoff(), 16U);
  EXPECT_EQ(entry->prot(), 9U);
  EXPECT_EQ(entry->flags(), 34U);
  EXPECT_EQ(entry->status(), 1U);
  EXPECT_EQ(entry->fd(), -1);
}

TEST(File, MembersMayComeInAnyOrder) {
  const std::string sorted =
      "{\"_file\": {\"form\": \"magic_only\"}, \"entries\": [{\"files_id\": 2, \"fs_id\": 3, "
      "\"sighand_id\": 4, \"vm_id\": 1}], \"magic\": \"IDS\"}";
  const auto read = read_text(Kind::ids, sorted);
  ASSERT_TRUE(read) << read.error().line();
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(*write_text(Kind::ids, *read, kPlain),
            "{\"magic\": \"IDS\", \"_file\": {\"form\": \"magic_only\"}, \"entries\": [{" +
                std::string(kIds) + "}]}");
}

TEST(File, NotesOfOddFiles) {
  const std::string entry = "\"entries\": [{" + std::string(kIds) + "}]}";
  expect_same(Kind::ids,
              "{\"magic\": \"IDS\", \"_file\": {\"form\": \"common\", \"tail\": "
              "\"AAE=\\n\"}, " +
                  entry);
  expect_same(Kind::fdinfo, "{\"magic\": \"FDINFO\", \"entries\": []}");
  const auto empty = read_text(Kind::fdinfo, "{\"magic\": \"FDINFO\", \"entries\": []}");
  ASSERT_EQ(empty->size(), 1U) << "that there is such a file is a record";
  EXPECT_EQ(empty->front().key.seq, 0U);
  EXPECT_THAT(error_of(Kind::ids, "{\"magic\": \"IDS\", \"entries\": []}"), HasSubstr("required"));
  EXPECT_THAT(error_of(Kind::ids, "{\"magic\": \"IDS\", \"_file\": {\"form\": \"odd\"}, " + entry),
              HasSubstr("no form"));
}

TEST(File, OriginalsMustSayWhatTheEntrySays) {
  // 08 01 10 02 18 03 20 04 in another order.
  const std::string odd = "{" + std::string(kIds) + ", \"_original\": \"EAIIARgDIAQ=\\n\"}";
  expect_same(Kind::ids, file("IDS", odd));
  const auto usual = read_text(
      Kind::ids, file("IDS", "{" + std::string(kIds) + ", \"_original\": \"CAEQAhgDIAQ=\"}"));
  EXPECT_EQ(usual->front().original, "") << "needs no original";
  EXPECT_THAT(error_of(Kind::ids,
                       file("IDS", "{" + std::string(kIds) + ", \"_original\": \"EAMIARgDIAQ=\"}")),
              HasSubstr("remove `_original`"));
}

TEST(File, TextThatIsNotUtf8HasItsBytesBeside) {
  const auto entry = [](std::string_view name, std::string_view base64) {
    return "{\"id\": 1, \"flags\": 0, \"pos\": 0, \"fown\": {\"uid\": 0, \"euid\": 0, \"signum\": "
           "0, "
           "\"pid_type\": 0, \"pid\": 0}, \"name\": \"" +
           std::string(name) + "\"" + std::string(base64) + "}";
  };
  const auto plain = read_text(
      Kind::reg_files, file("REG_FILES", entry("/A\\\\xff", ", \"_name_base64\": \"L0H/\"")));
  ASSERT_TRUE(plain) << plain.error().line();
  EXPECT_THAT(plain->front().encoded(), HasSubstr("/A\xff"));
  const auto back = write_text(Kind::reg_files, *plain, kPlain);
  EXPECT_THAT(*back, HasSubstr("\"name\": \"/A\\\\xff\", \"_name_base64\": \"L0H/\\n\""));
  EXPECT_THAT(
      error_of(Kind::reg_files, file("REG_FILES", entry("/B", ", \"_name_base64\": \"L0H/\""))),
      HasSubstr("remove `_name_base64`"));
}

TEST(File, PagemapsInChunksWithTheirMemory) {
  std::string entries = "{\"pages_id\": 3}";
  for (std::size_t i = 0; i < model::kChunkEntries + 1; ++i) {
    entries += ", {\"vaddr\": " + std::to_string(4096 * i) +
               ", \"compat_nr_pages\": 0, \"flags\": " + (i % 2 == 0 ? "4" : "1") +
               ", \"nr_pages\": 1}";
  }
  const std::string text = file("PAGEMAP", entries);
  expect_same(Kind::pagemap, text);
  const std::string memory(4096 * (model::kChunkEntries / 2 + 1), 'm');
  criu::FileContext context;
  std::uint64_t used = 0;
  context.pages = [&](std::uint32_t id) -> Result<Bytes> {
    EXPECT_EQ(id, 3U);
    return as_bytes(memory);
  };
  context.pages_used = [&](std::uint32_t, std::uint64_t bytes) -> Result<void> {
    used = bytes;
    return {};
  };
  const auto read = read_text(Kind::pagemap, text, context);
  ASSERT_TRUE(read) << read.error().line();
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ((*read)[1].payload.size(), 4096 * model::kChunkEntries / 2);
  EXPECT_EQ((*read)[2].payload.size(), 4096U);
  EXPECT_EQ(used, memory.size());
  const std::string short_memory = memory.substr(1);
  context.pages = [&](std::uint32_t) -> Result<Bytes> { return as_bytes(short_memory); };
  EXPECT_FALSE(read_text(Kind::pagemap, text, context));
}

TEST(File, PagemapEntriesThatAreEncodedOddly) {
  // The second entry's fields are in another order; so the chunk's originals are all there.
  const std::string usual = "{\"vaddr\": 4096, \"compat_nr_pages\": 1}";
  const auto read = read_text(
      Kind::pagemap,
      file("PAGEMAP", "{\"pages_id\": 1}, " + usual +
                          ", {\"vaddr\": 1, \"compat_nr_pages\": 2, \"_original\": \"EAIIAQ==\"}"));
  ASSERT_TRUE(read) << read.error().line();
  EXPECT_EQ((*read)[1].original,
            std::string("\x05\0\0\0\x08\x80\x20\x10\x01\x04\0\0\0\x10\x02\x08\x01", 17));
  expect_same(Kind::pagemap, *write_text(Kind::pagemap, *read, kPlain));
}

TEST(File, ZombiesAreRecordsOfTheirOwn) {
  const std::string tc =
      "\"tc\": {\"task_state\": 2, \"exit_code\": 9, \"personality\": 0, \"flags\": 0, "
      "\"blk_sigset\": 0, \"comm\": \"sh\"}";
  const auto zombie = read_text(Kind::core, file("CORE", "{\"mtype\": \"X86_64\", " + tc + "}"));
  ASSERT_TRUE(zombie) << zombie.error().line();
  EXPECT_EQ(zombie->front().key.file, (model::FileKey{Kind::zombie, 7}));
  EXPECT_EQ(zombie->front().table->name, "Zombie");
}

TEST(File, ErrorsNameThePlace) {
  const std::string vma =
      "{\"start\": 1, \"end\": 2, \"pgoff\": 0, \"shmid\": 0, \"prot\": 1, \"flags\": 1, ";
  const std::pair<std::string, std::string> cases[] = {
      {"", "line 1, column 1: expected `{`, found the end of the text"},
      {"{}", "`magic` is not there"},
      {"{\"magic\": \"VMAS\"}", "`entries` is not there"},
      {"{\"magic\": \"CORE\", \"entries\": []}",
       "line 1, column 11, magic: `CORE`, where VMAS is expected"},
      {file("VMAS", "") + "x", "expected the end of the text, found x"},
      {file("VMAS", "{},"), "entries[0]: `start` is required, and not there"},
      {file("VMAS", vma + "\"status\": 0, \"fd\": 1}, ]"), "entries[1]: expected `{`, found ]"},
      {file("VMAS", vma + "\"status\": true}"), "entries[0].status: expected names of flags"},
      {file("VMAS", vma + "\"status\": 1.5}"), "entries[0].status"},
      {file("VMAS", vma + "\"status\": 4294967296}"), "entries[0].status"},
      {file("VMAS", vma + "\"status\": \"VMA_NOT\"}"), "entries[0].status"},
      {file("VMAS", vma + "\"fd\": 1e3}"), "entries[0].fd: expected a whole number"},
      {file("VMAS", vma + "\"fd\": null}"), "entries[0].fd"},
      {file("VMAS", vma + "\"start\": 1}"), "entries[0].start: the same member twice"},
      {file("VMAS", vma + "\"sart\": 1}"), "entries[0].sart: vma_entry has no such member"},
      {file("VMAS", vma + "\"extra\": \"\"}"), "entries[0].extra: vma_entry has no such member"},
      {"{\"magic\": \"VMAS\",\n \"entries\": [\n  {\"start\": \"x\"}]}",
       "x.json: line 3, column 13, entries[0].start"},
      {"{\"magic\": \"VMAS\", \"magic\": \"VMAS\", \"entries\": []}", "each once"},
      {"{\"magic\": \"VMAS\", \"entries\": [], \"_file\": {\"form\": \"common\"}}", "each once"},
      {"{\"magic\": \"VMAS\", \"entries\": {}}", "expected `[`, found {"},
      {"{\"magic\": \"VM\xff\"}", "bytes that are not UTF-8"},
      {"{\"magic\": \"VM\n\"}", "a control character inside a string"},
      {"{\"magic\": \"\\x\"}", "an escape that JSON has not"},
      {"{\"magic\": \"\\ud800x\"}", "half of a surrogate pair"},
      {"{\"magic\": \"\\udc00\"}", "half of a surrogate pair"},
      {"{\"magic\": \"V", "a string without an end"},
      {"{\"magic\" \"V\"}", "expected `:`"},
      {"{'magic': 1}", "expected the name of a member"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_THAT(error_of(Kind::vmas, text), HasSubstr(wanted)) << text;
  }
}

TEST(File, PayloadsThatContradictTheirMessage) {
  const std::string sem =
      "{\"desc\": {\"key\": 1, \"uid\": 0, \"gid\": 0, \"cuid\": 0, \"cgid\": 0, \"mode\": 384, "
      "\"id\": 0}, ";
  EXPECT_THAT(error_of(Kind::pipes_data,
                       file("PIPES_DATA", "{\"pipe_id\": 1, \"bytes\": 4, \"extra\": \"Zm9v\"}")),
              HasSubstr("`extra` has 3 bytes, where the entry says 4"));
  EXPECT_THAT(error_of(Kind::pipes_data, file("PIPES_DATA", "{\"pipe_id\": 1, \"bytes\": 4}")),
              HasSubstr("`extra` has 0 bytes"));
  EXPECT_THAT(error_of(Kind::ipcns_sem, file("IPCNS_SEM", sem + "\"nsems\": 2, \"extra\": [1]}")),
              HasSubstr("`extra` has 1 numbers"));
  EXPECT_THAT(
      error_of(Kind::ipcns_sem, file("IPCNS_SEM", sem + "\"nsems\": 1, \"extra\": [65536]}")),
      HasSubstr("0 to 65535"));
  EXPECT_THAT(
      error_of(Kind::ipcns_msg,
               file("IPCNS_MSG", sem + "\"qbytes\": 1, \"qnum\": 1, \"extra\": [{\"mtype\": "
                                       "1, \"msize\": 2}, \"Zg==\"]}")),
      HasSubstr("1 bytes, where `msize` is 2"));
  EXPECT_THAT(
      error_of(Kind::ipcns_msg,
               file("IPCNS_MSG", sem + "\"qbytes\": 1, \"qnum\": 1, \"extra\": [{\"mtype\": "
                                       "1, \"msize\": 2}]}")),
      HasSubstr("expected the bytes"));
}

TEST(File, NestingIsBounded) {
  std::string deep;
  for (int i = 0; i < 100; ++i) {
    deep += "{\"dir_name\": \"a\", \"children\": [";
  }
  EXPECT_THAT(error_of(Kind::cgroup, file("CGROUP", "{\"controllers\": [{\"dirs\": [" + deep)),
              HasSubstr("more objects than a record can have"));
  const std::string brackets(10000, '[');
  EXPECT_THAT(error_of(Kind::vmas, "{\"entries\": " + brackets), HasSubstr("nested deeper"));
}

TEST(File, StatesAreGivenByTheirTrueNames) {
  const auto core = [](std::string_view state) {
    return file("CORE", "{\"mtype\": \"X86_64\", \"tc\": {\"task_state\": " + std::string(state) +
                            ", \"exit_code\": 0, \"personality\": 0, \"flags\": 0, \"blk_sigset\": "
                            "\"0x0\", \"comm\": \"sh\"}, \"ids\": {" +
                            std::string(kIds) + "}}");
  };
  const auto written = write_text(Kind::core, *read_text(Kind::core, core("\"Zombie\"")), {});
  EXPECT_THAT(*written, HasSubstr("\"task_state\": \"Stopped\""));
}

}  // namespace
}  // namespace img::json
