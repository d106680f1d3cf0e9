# libtcc inside libquern.
#
# Debian ships libtcc.a built without -fPIC: its code reaches stdout, stderr and environ by addresses relative to itself,
# which a shared library may not do across to libc. So the archive becomes one relocatable object in which those three
# are hidden variables of lib/tcc (libtcc_host.c), and four functions that have no place in a library go there too: exit
# and assert's (a failure inside libtcc must come back as a status), mprotect (it would make pages writable and
# executable at once) and dlsym (generated code may use the symbols it is given and no others). Everything else of
# libtcc becomes local, and the few entry points get names of our own, so that a program that links libtcc itself does
# not meet this copy. The object goes into libquern.a and libquern.so alike.
find_path(PkgTCC_INCLUDE libtcc.h REQUIRED)
find_library(PkgTCC_ARCHIVE NAMES libtcc.a)
add_library(PkgTCC INTERFACE IMPORTED GLOBAL)
target_include_directories(PkgTCC SYSTEM INTERFACE ${PkgTCC_INCLUDE})

if(PkgTCC_ARCHIVE AND CMAKE_OBJCOPY)
  set(tcc_dir ${CMAKE_BINARY_DIR}/libtcc)
  file(MAKE_DIRECTORY ${tcc_dir})
  set(tcc_entries tcc_new tcc_delete tcc_set_error_func tcc_set_options tcc_set_output_type tcc_compile_string
    tcc_add_symbol tcc_relocate tcc_get_symbol)
  set(tcc_keep)
  set(tcc_rename)
  foreach(entry ${tcc_entries})
    list(APPEND tcc_keep --keep-global-symbol=${entry})
    list(APPEND tcc_rename --redefine-sym ${entry}=quern_${entry})
  endforeach()
  foreach(host stdout stderr environ exit mprotect dlsym __assert_fail)
    string(REPLACE "__" "" name ${host})
    list(APPEND tcc_rename --redefine-sym ${host}=qn__tcc_${name})
  endforeach()
  add_custom_command(OUTPUT ${tcc_dir}/quern_libtcc.o
    COMMAND ${CMAKE_LINKER} -r --whole-archive ${PkgTCC_ARCHIVE} -o ${tcc_dir}/whole.o
    COMMAND ${CMAKE_OBJCOPY} --strip-debug ${tcc_keep} ${tcc_dir}/whole.o ${tcc_dir}/local.o
    COMMAND ${CMAKE_OBJCOPY} ${tcc_rename} ${tcc_dir}/local.o ${tcc_dir}/quern_libtcc.o
    DEPENDS ${PkgTCC_ARCHIVE} VERBATIM COMMENT "Preparing libtcc")
  add_custom_target(quern_libtcc_object DEPENDS ${tcc_dir}/quern_libtcc.o)
  set_source_files_properties(${tcc_dir}/quern_libtcc.o PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(PkgTCC INTERFACE ${tcc_dir}/quern_libtcc.o)
  target_compile_definitions(PkgTCC INTERFACE QUERN_TCC_EMBEDDED=1)
  add_dependencies(PkgTCC quern_libtcc_object)
else()
  find_library(PkgTCC_LIBRARY NAMES tcc REQUIRED)
  target_link_libraries(PkgTCC INTERFACE ${PkgTCC_LIBRARY})
endif()
