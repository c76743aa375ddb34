// SPDX-License-Identifier: MIT
#include "libimg/convert/level_digest.h"

#include "libimg/criu/directory_reader.h"

namespace img::convert {
namespace {

// Of a directory of CRIU's files only: the digest is one of their bytes.
criu::DirectoryReader* directory_of(model::ImageReader& image) {
  return dynamic_cast<criu::DirectoryReader*>(&image);
}

}  // namespace

LevelDigest::LevelDigest(model::ImageReader& image) : image_(image) {
  if (auto* const directory = directory_of(image)) {
    directory->keep_digests();
  }
}

Result<store::Id> LevelDigest::get() const {
  auto* const directory = directory_of(image_);
  if (directory == nullptr) {
    return store::Id();
  }
  IMG_ASSIGN(const schema::Id128 digest, directory->digest());
  return store::Id::of(digest);
}

Result<const schema::Provenance*> LevelDigest::provenance(flatbuffers::FlatBufferBuilder& builder,
                                                          std::size_t level,
                                                          std::size_t levels) const {
  const schema::Provenance* from = image_.header().provenance();
  const bool is_ours = !store::Id::of(*image_.header().id()).is_zero();
  if (from == nullptr || is_ours) {
    return from;
  }
  IMG_ASSIGN(const store::Id digest, get());
  const schema::Id128 id = digest.to_schema();
  builder.Clear();
  builder.ForceDefaults(true);
  const auto link = from->parent_link() == nullptr ? 0 : builder.CreateString(from->parent_link());
  const auto writer = builder.CreateString("img-convert");
  schema::ProvenanceBuilder made(builder);
  made.add_origin(from->origin());
  made.add_digest(&id);
  if (!link.IsNull()) {
    made.add_parent_link(link);
  }
  made.add_level(static_cast<std::uint32_t>(level));
  made.add_levels(static_cast<std::uint32_t>(levels));
  made.add_img_version(from->img_version());
  made.add_byte_order(from->byte_order());
  made.add_writer(writer);
  builder.Finish(made.Finish());
  return flatbuffers::GetRoot<schema::Provenance>(builder.GetBufferPointer());
}

}  // namespace img::convert
