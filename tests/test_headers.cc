// Nothing: stands for the headers that all tests have in common, see
// CMakeLists.txt.
