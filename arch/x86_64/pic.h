/*
 * The pair of 8259 interrupt controllers.
 */
#pragma once

/**
 * pic_disable() - remap to VECTOR_PIC_BASE and mask every line
 * Harmless where there is none: writes to absent ports are dropped.
 */
void pic_disable(void);
