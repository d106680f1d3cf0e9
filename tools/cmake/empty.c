/* A folder without sources yet still needs one file to be a library. */
typedef int qn__empty;
