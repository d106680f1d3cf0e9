# quern_folder(NAME SEES folders.. LINKS packages.. [DIR dir]): one object library per folder.
# quern_flags(TARGET): warnings and language rules for our own code.

function(quern_flags target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -ffp-contract=off
    $<$<BOOL:${QUERN_WERROR}>:-Werror>)
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
  if(QUERN_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${QUERN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${QUERN_SANITIZE})
  endif()
endfunction()

function(quern_folder name)
  cmake_parse_arguments(F "" "DIR" "SEES;LINKS" ${ARGN})
  if(NOT F_DIR)
    set(F_DIR lib/${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${F_DIR}/*.c)
  if(NOT sources)
    set(sources ${PROJECT_SOURCE_DIR}/tools/cmake/empty.c)
  endif()
  add_library(quern_${name} OBJECT ${sources})
  quern_flags(quern_${name})
  target_include_directories(quern_${name} PRIVATE ${PROJECT_SOURCE_DIR}/${F_DIR})
  foreach(seen ${F_SEES})
    target_include_directories(quern_${name} PRIVATE ${PROJECT_SOURCE_DIR}/lib/${seen})
  endforeach()
  foreach(link ${F_LINKS})
    target_link_libraries(quern_${name} PUBLIC ${link})
  endforeach()
  target_compile_definitions(quern_${name} PRIVATE $<$<BOOL:${QUERN_TCC}>:QUERN_HAVE_TCC=1>
    $<$<BOOL:${QUERN_LLVM}>:QUERN_HAVE_LLVM=1>)
endfunction()

# libquern.a and libquern.so out of the folders' objects.
function(quern_library)
  set(objects)
  set(links)
  foreach(folder ${ARGN})
    list(APPEND objects $<TARGET_OBJECTS:quern_${folder}>)
    get_target_property(l quern_${folder} INTERFACE_LINK_LIBRARIES)
    if(l)
      list(APPEND links ${l})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES links)
  add_library(quern_static STATIC ${objects})
  add_library(quern_shared SHARED ${objects})
  set_target_properties(quern_static quern_shared PROPERTIES OUTPUT_NAME quern)
  set_target_properties(quern_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/tools/cmake/quern.map)
  target_link_options(quern_shared PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/tools/cmake/quern.map
    -Wl,--no-undefined)
  foreach(lib quern_static quern_shared)
    target_link_libraries(${lib} PRIVATE ${links} ${CMAKE_DL_LIBS} Threads::Threads m)
    target_include_directories(${lib} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endforeach()
  if(QUERN_SANITIZE)
    target_link_options(quern_shared PRIVATE -fsanitize=${QUERN_SANITIZE})
  endif()
endfunction()

# The LLVM back end: a module with its own copy of the small folders it needs, linked to the shared libLLVM.
function(quern_llvm_module)
  add_library(quern_llvm_backend MODULE $<TARGET_OBJECTS:quern_llvm> $<TARGET_OBJECTS:quern_base>
    $<TARGET_OBJECTS:quern_num>)
  set_target_properties(quern_llvm_backend PROPERTIES OUTPUT_NAME quern-llvm PREFIX "")
  target_link_libraries(quern_llvm_backend PRIVATE PkgLLVM m)
  target_link_options(quern_llvm_backend PRIVATE
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/tools/cmake/quern-llvm.map -Wl,--no-undefined)
  if(QUERN_SANITIZE)
    target_link_options(quern_llvm_backend PRIVATE -fsanitize=${QUERN_SANITIZE})
  endif()
  install(TARGETS quern_llvm_backend LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/quern)
endfunction()
