#pragma once
// export.h - what libplugtune.so shows. Everything else is compiled with hidden visibility.

#define PLUGTUNE_API __attribute__((visibility("default")))
