// xmmu: the whole program, see xmmu --help. A main() of one's own may give
// Main() further policies, workloads and machines.

#include "xmmu/cli/main.h"

int main(int argc, char** argv) { return xmmu::cli::Main(argc, argv); }
