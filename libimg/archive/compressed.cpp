// SPDX-License-Identifier: MIT
#include "libimg/archive/compressed.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace img::archive {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;
// Half of what a tool may have in its heap.
constexpr int kMaxWindowLog = 25;
constexpr int kGzipWindow = 15 + 16;  // zlib's way to say gzip
constexpr int kGzipLevel = 4;
constexpr int kZstdLevel = 3;

Failure damaged(const std::string& name, std::string why) {
  return fail(Fault::corrupt, name, "cannot be decompressed", std::move(why));
}

class Gunzip final : public Inflater {
 public:
  Gunzip(Bytes compressed, std::string name) : left_(compressed), name_(std::move(name)) {
    is_open_ = ::inflateInit2(&stream_, kGzipWindow) == Z_OK;
  }
  ~Gunzip() override { ::inflateEnd(&stream_); }

  Result<Bytes> next() override {
    if (!is_open_) {
      return fail(Fault::io, name_, "decompress", "no memory");
    }
    stream_.next_out = reinterpret_cast<Bytef*>(piece_.data());
    stream_.avail_out = kPiece;
    while (!has_ended_ && stream_.avail_out > 0) {
      IMG_TRY(step());
    }
    return Bytes(piece_).first(kPiece - stream_.avail_out);
  }

 private:
  Result<void> step() {
    const std::size_t given = std::min<std::size_t>(left_.size(), std::size_t{1} << 30);
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(left_.data()));
    stream_.avail_in = static_cast<uInt>(given);
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    left_ = left_.subspan(given - stream_.avail_in);
    if (code == Z_STREAM_END) {
      // gzip goes on with a further member, and takes no offence at what is none.
      has_ended_ = compression_of(left_) != Compression::gzip;
      return has_ended_ || ::inflateReset(&stream_) == Z_OK ? Result<void>{}
                                                            : damaged(name_, "no memory");
    }
    if (code == Z_BUF_ERROR && left_.empty() && stream_.avail_out > 0) {
      return damaged(name_, "the gzip stream ends too early");
    }
    if (code != Z_OK && code != Z_BUF_ERROR) {
      return damaged(name_, std::string("the gzip stream is damaged (") +
                                (stream_.msg == nullptr ? "unknown" : stream_.msg) + ")");
    }
    return {};
  }

  z_stream stream_ = {};
  Bytes left_;
  std::string name_;
  std::vector<std::byte> piece_ = std::vector<std::byte>(kPiece);
  bool is_open_ = false;
  bool has_ended_ = false;
};

class Unzstd final : public Inflater {
 public:
  Unzstd(Bytes compressed, std::string name)
      : in_{compressed.data(), compressed.size(), 0}, name_(std::move(name)) {
    if (context_ != nullptr) {
      ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
    }
  }

  Result<Bytes> next() override {
    if (context_ == nullptr) {
      return fail(Fault::io, name_, "decompress", "no memory");
    }
    ZSTD_outBuffer out{piece_.data(), kPiece, 0};
    while (out.pos < out.size) {
      const std::size_t before = out.pos;
      if (in_.pos == in_.size && is_between_frames_) {
        break;
      }
      const std::size_t hint = ::ZSTD_decompressStream(context_.get(), &out, &in_);
      if (::ZSTD_isError(hint) != 0) {
        return refuse(hint);
      }
      is_between_frames_ = hint == 0;
      if (hint != 0 && in_.pos == in_.size && out.pos == before) {
        return damaged(name_, "the zstd stream ends too early");
      }
    }
    return Bytes(piece_).first(out.pos);
  }

 private:
  Failure refuse(std::size_t code) const {
    if (std::string_view(::ZSTD_getErrorName(code)).find("memory") != std::string_view::npos) {
      return fail(Fault::limit, name_, "cannot be decompressed",
                  "its zstd window is larger than 32 MiB", "compress it without --long or --ultra");
    }
    return damaged(name_,
                   std::string("the zstd stream is damaged (") + ::ZSTD_getErrorName(code) + ")");
  }

  struct Free {
    void operator()(ZSTD_DCtx* context) const { ::ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_{::ZSTD_createDCtx()};
  ZSTD_inBuffer in_;
  std::string name_;
  std::vector<std::byte> piece_ = std::vector<std::byte>(kPiece);
  bool is_between_frames_ = false;
};

class Plain final : public Deflater {
 public:
  explicit Plain(ByteSink& out) : out_(out) {}
  Result<void> write(Bytes bytes) override { return out_.write(bytes); }
  Result<void> finish() override { return {}; }

 private:
  ByteSink& out_;
};

class Gzip final : public Deflater {
 public:
  explicit Gzip(ByteSink& out) : out_(out) {
    is_open_ = ::deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8,
                              Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Gzip() override { ::deflateEnd(&stream_); }

  Result<void> write(Bytes bytes) override {
    while (!bytes.empty()) {
      const std::size_t given = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
      IMG_TRY(deflate(bytes.first(given), Z_NO_FLUSH));
      bytes = bytes.subspan(given);
    }
    return {};
  }
  Result<void> finish() override { return deflate({}, Z_FINISH); }

 private:
  Result<void> deflate(Bytes bytes, int flush) {
    if (!is_open_) {
      return fail(Fault::io, "gzip", "compress", "no memory");
    }
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(piece_.data());
      stream_.avail_out = kPiece;
      ::deflate(&stream_, flush);
      IMG_TRY(out_.write(Bytes(piece_).first(kPiece - stream_.avail_out)));
    } while (stream_.avail_out == 0);
    return {};
  }

  ByteSink& out_;
  z_stream stream_ = {};
  std::vector<std::byte> piece_ = std::vector<std::byte>(kPiece);
  bool is_open_ = false;
};

class Zstd final : public Deflater {
 public:
  explicit Zstd(ByteSink& out) : out_(out) {
    if (context_ != nullptr) {
      ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kZstdLevel);
      ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    }
  }
  Result<void> write(Bytes bytes) override { return compress(bytes, ZSTD_e_continue); }
  Result<void> finish() override { return compress({}, ZSTD_e_end); }

 private:
  Result<void> compress(Bytes bytes, ZSTD_EndDirective end) {
    if (context_ == nullptr) {
      return fail(Fault::io, "zstd", "compress", "no memory");
    }
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (bool is_done = false; !is_done;) {
      ZSTD_outBuffer out{piece_.data(), kPiece, 0};
      const std::size_t left = ::ZSTD_compressStream2(context_.get(), &out, &in, end);
      if (::ZSTD_isError(left) != 0) {
        return fail(Fault::io, "zstd", "compress", ::ZSTD_getErrorName(left));
      }
      IMG_TRY(out_.write(Bytes(piece_).first(out.pos)));
      is_done = end == ZSTD_e_end ? left == 0 : in.pos == in.size;
    }
    return {};
  }

  struct Free {
    void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
  };
  ByteSink& out_;
  std::unique_ptr<ZSTD_CCtx, Free> context_{::ZSTD_createCCtx()};
  std::vector<std::byte> piece_ = std::vector<std::byte>(kPiece);
};

}  // namespace

Compression compression_of(Bytes head) {
  const std::string_view text = as_text(head.first(std::min<std::size_t>(head.size(), 4)));
  if (text.starts_with("\x1f\x8b")) {
    return Compression::gzip;
  }
  return text == "\x28\xb5\x2f\xfd" ? Compression::zstd : Compression::none;
}

std::unique_ptr<Inflater> make_inflater(Compression how, Bytes compressed, std::string name) {
  if (how == Compression::gzip) {
    return std::make_unique<Gunzip>(compressed, std::move(name));
  }
  return std::make_unique<Unzstd>(compressed, std::move(name));
}

std::unique_ptr<Deflater> make_deflater(Compression how, ByteSink& out) {
  switch (how) {
    case Compression::gzip: return std::make_unique<Gzip>(out);
    case Compression::zstd: return std::make_unique<Zstd>(out);
    case Compression::none: break;
  }
  return std::make_unique<Plain>(out);
}

}  // namespace img::archive
