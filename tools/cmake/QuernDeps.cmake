# Every dependency becomes one imported target, so that a folder names what it needs.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# quern_header_lib(TARGET header library...): packages of Debian without a pkg-config file.
function(quern_header_lib target header)
  find_path(${target}_INCLUDE ${header} REQUIRED)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_INCLUDE})
  foreach(lib ${ARGN})
    find_library(${target}_${lib} ${lib} REQUIRED)
    target_link_libraries(${target} INTERFACE ${${target}_${lib}})
  endforeach()
endfunction()

quern_header_lib(PkgXXHASH xxhash.h xxhash)
quern_header_lib(PkgCJSON cjson/cJSON.h cjson)
quern_header_lib(PkgZIP zip.h zip)
quern_header_lib(PkgPTHREADPOOL pthreadpool.h pthreadpool)
quern_header_lib(PkgDLPACK dlpack/dlpack.h)
quern_header_lib(PkgPROTOBUFC protobuf-c/protobuf-c.h protobuf-c)

# ONNX's message types, generated at build time from the proto file that Debian ships.
find_program(PROTOC_C protoc-c REQUIRED)
find_file(ONNX_PROTO onnx/onnx.proto PATHS /usr/include REQUIRED)
set(onnx_gen ${CMAKE_BINARY_DIR}/gen)
get_filename_component(onnx_root ${ONNX_PROTO} DIRECTORY)
add_custom_command(OUTPUT ${onnx_gen}/onnx.pb-c.c ${onnx_gen}/onnx.pb-c.h
  COMMAND ${CMAKE_COMMAND} -E make_directory ${onnx_gen}
  COMMAND ${PROTOC_C} --c_out=${onnx_gen} -I${onnx_root} ${ONNX_PROTO}
  DEPENDS ${ONNX_PROTO} VERBATIM)
add_library(quern_onnx_proto OBJECT ${onnx_gen}/onnx.pb-c.c)
target_include_directories(quern_onnx_proto SYSTEM PUBLIC ${onnx_gen})
target_link_libraries(quern_onnx_proto PUBLIC PkgPROTOBUFC)
set_target_properties(quern_onnx_proto PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
add_library(OnnxProto INTERFACE)
target_include_directories(OnnxProto SYSTEM INTERFACE ${onnx_gen})
target_link_libraries(OnnxProto INTERFACE PkgPROTOBUFC)

if(QUERN_LLVM)
  find_program(LLVM_CONFIG NAMES llvm-config-19 llvm-config-20 llvm-config-21 llvm-config-18 llvm-config-17 llvm-config-16
    REQUIRED)
  foreach(what includedir libdir version)
    execute_process(COMMAND ${LLVM_CONFIG} --${what} OUTPUT_VARIABLE LLVM_${what} OUTPUT_STRIP_TRAILING_WHITESPACE)
  endforeach()
  string(REGEX MATCH "^[0-9]+" LLVM_major ${LLVM_version})
  find_library(LLVM_SHARED NAMES LLVM-${LLVM_major} LLVM HINTS ${LLVM_libdir} REQUIRED)
  add_library(PkgLLVM INTERFACE IMPORTED GLOBAL)
  target_include_directories(PkgLLVM SYSTEM INTERFACE ${LLVM_includedir})
  target_link_libraries(PkgLLVM INTERFACE ${LLVM_SHARED})
endif()
if(QUERN_TCC)
  include(QuernTcc)
endif()
