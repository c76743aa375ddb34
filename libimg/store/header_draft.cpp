// SPDX-License-Identifier: MIT
#include "libimg/store/header_draft.h"

#include <flatbuffers/reflection.h>

#include "schema/binary_schema.h"

namespace img::store {
namespace {

template <class T>
flatbuffers::Offset<T> copy(flatbuffers::FlatBufferBuilder& builder, const char* table,
                            const T* from) {
  if (from == nullptr) {
    return 0;
  }
  const reflection::Schema& all = *reflection::GetSchema(schema::binary_schema().data());
  const reflection::Object* object = all.objects()->LookupByKey(table);
  return flatbuffers::CopyTable(builder, all, *object,
                                *reinterpret_cast<const flatbuffers::Table*>(from))
      .o;
}

}  // namespace

HeaderDraft HeaderDraft::of(const schema::ImageHeader& header) {
  HeaderDraft draft;
  draft.id = Id::of(*header.id());
  draft.commit = header.commit();
  draft.name = header.name()->str();
  draft.series = header.series()->str();
  draft.created_ns = header.created_ns();
  draft.page_size = header.page_size();
  if (header.parent() != nullptr) {
    draft.parent = Id::of(*header.parent());
  }
  if (header.packs() != nullptr) {
    for (const schema::Id128* pack : *header.packs()) {
      draft.packs.push_back(Id::of(*pack));
    }
  }
  draft.freeze = header.freeze();
  draft.provenance = header.provenance();
  draft.records = header.records();
  draft.record_bytes = header.record_bytes();
  draft.pack_bytes = header.pack_bytes();
  return draft;
}

Bytes HeaderDraft::write(flatbuffers::FlatBufferBuilder& builder) const {
  builder.Clear();
  builder.ForceDefaults(true);
  const auto name_at = builder.CreateString(name);
  const auto series_at = builder.CreateString(series);
  std::vector<schema::Id128> ids;
  for (const Id& pack : packs) {
    ids.push_back(pack.to_schema());
  }
  const auto packs_at = builder.CreateVectorOfStructs(ids);
  const auto freeze_at = copy(builder, "img.schema.Freeze", freeze);
  const auto provenance_at = copy(builder, "img.schema.Provenance", provenance);
  const schema::Id128 own = id.to_schema();
  const schema::Id128 parent_id = parent.value_or(Id()).to_schema();

  schema::ImageHeaderBuilder header(builder);
  header.add_id(&own);
  header.add_commit(commit);
  header.add_name(name_at);
  header.add_series(series_at);
  header.add_created_ns(created_ns);
  header.add_page_size(page_size);
  if (parent) {
    header.add_parent(&parent_id);
  }
  header.add_packs(packs_at);
  if (!freeze_at.IsNull()) {
    header.add_freeze(freeze_at);
  }
  if (!provenance_at.IsNull()) {
    header.add_provenance(provenance_at);
  }
  header.add_records(records);
  header.add_record_bytes(record_bytes);
  header.add_pack_bytes(pack_bytes);
  builder.Finish(header.Finish());
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

}  // namespace img::store
