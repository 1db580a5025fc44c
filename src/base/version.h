/* version.h - what `fettle --version` and every config.json say. */
#ifndef FETTLE_BASE_VERSION_H
#define FETTLE_BASE_VERSION_H

#define FETTLE_VERSION "0.1.0"

#endif
