#ifndef XMMU_XEN_SHADOW_SHADOW_WORDS_H_
#define XMMU_XEN_SHADOW_SHADOW_WORDS_H_

// What spans call the steps that all strategies of shadows have: the functions
// of the Xen that a strategy models, so that a step is found in its source.
//
// Plain values; any thread.

namespace xmmu {

// Literals. By default those of Xen 3.0.3 to 4.17,
// xen/arch/x86/mm/shadow/{common,multi}.c.
struct ShadowWords {
  const char* fault = "sh_page_fault";
  const char* walk = "guest_walk_tables";
  const char* fill = "shadow_get_and_create_l1e";
  const char* make = "sh_make_shadow";
  const char* make_room = "shadow_prealloc";
  const char* protect = "sh_remove_write_access";
  const char* evict = "sh_destroy_shadow";
  const char* evict_table = "sh_remove_shadows";
  const char* frame_leaves = "sh_remove_all_mappings";
  const char* drop_all = "shadow_blow_tables";
  const char* emulate = "sh_x86_emulate_write";
  const char* load_root = "sh_update_cr3";
  const char* flush = "sh_invlpg";
};

}  // namespace xmmu

#endif  // XMMU_XEN_SHADOW_SHADOW_WORDS_H_
