#ifndef XMMU_LIB_POLICY_BUILTIN_H_
#define XMMU_LIB_POLICY_BUILTIN_H_

// Factories of the built-in policies, one private .cc each.

#include <memory>

#include "xmmu/policy/policy.h"

namespace xmmu {

std::unique_ptr<Policy> MakeNative(Host& host);
std::unique_ptr<Policy> MakeNestedPaging(Host& host);
std::unique_ptr<Policy> MakeNestedPaging4k(Host& host);
std::unique_ptr<Policy> MakeNestedPagingOnDemand(Host& host);
std::unique_ptr<Policy> MakePinning(Host& host);
std::unique_ptr<Policy> MakeShadow2005(Host& host);
std::unique_ptr<Policy> MakeShadow2005Internal(Host& host);
std::unique_ptr<Policy> MakeShadow2005Predict(Host& host);
std::unique_ptr<Policy> MakeShadow2005Search(Host& host);
std::unique_ptr<Policy> MakeShadow2006(Host& host);
std::unique_ptr<Policy> MakeShadow2008(Host& host);
std::unique_ptr<Policy> MakeShadow2008NoOos(Host& host);
std::unique_ptr<Policy> MakeShadow2008NoPrefetch(Host& host);
std::unique_ptr<Policy> MakeTrapAndEmulate(Host& host);
std::unique_ptr<Policy> MakeTrapAndEmulateNext(Host& host);
std::unique_ptr<Policy> MakeWritablePageTables(Host& host);
std::unique_ptr<Policy> MakeWritablePageTables20(Host& host);
std::unique_ptr<Policy> MakeWritablePageTablesG0(Host& host);
std::unique_ptr<Policy> MakeWritablePageTablesG1(Host& host);
std::unique_ptr<Policy> MakeWritablePageTablesG2(Host& host);
std::unique_ptr<Policy> MakeXiShadow(Host& host);
std::unique_ptr<Policy> MakeXiShadowSearch(Host& host);
std::unique_ptr<Policy> MakeXiShadowTablesOnly(Host& host);
std::unique_ptr<Policy> MakeXiShadowSnapshots(Host& host);
std::unique_ptr<Policy> MakeXiShadowZeroed(Host& host);

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_BUILTIN_H_
