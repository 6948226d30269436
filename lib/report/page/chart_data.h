#ifndef XMMU_LIB_REPORT_PAGE_CHART_DATA_H_
#define XMMU_LIB_REPORT_PAGE_CHART_DATA_H_

// Charts as the JSON that page.js draws.
//
// Any thread.

#include <span>
#include <string>
#include <vector>

#include "xmmu/report/chart.h"
#include "xmmu/report/records.h"

namespace xmmu {

// One object a chart, with the members of Chart.
std::vector<Record> ChartRecords(std::span<const Chart> charts);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_PAGE_CHART_DATA_H_
